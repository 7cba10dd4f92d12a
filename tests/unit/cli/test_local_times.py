"""Times as people write them, in their time zone, also on the days when clocks change."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest

from hermes.client import AskedSpan, between, in_file, last
from hermes.errors import InvalidInput
from services.cli.asked_span import span_of
from services.cli.durations import duration_of, position_of
from services.cli.local_times import in_local_time, moment_of, shown_moment

Zone = Callable[[str | None], None]


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Zone]:
    """Sets the time zone of this process; None unsets `TZ`."""

    def set_zone(name: str | None) -> None:
        if name is None:
            monkeypatch.delenv("TZ", raising=False)
        else:
            monkeypatch.setenv("TZ", name)
        time.tzset()

    yield set_zone
    monkeypatch.undo()
    time.tzset()


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10s", 10), ("1.5s", 1.5), ("10m", 600), ("1h30m", 5400), ("2d", 172_800), ("1d1m", 86_460)],
)
def test_durations(text: str, seconds: float) -> None:
    assert duration_of(text, "--last") == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    ["", "10", "0s", "m", "-5m", "5m10", "10m1h", "1.5h", "10 m", "9" * 40 + "d", "9" * 25 + "d"],
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        duration_of(text, "--last")
    assert caught.value.field == "--last"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("80", 80), ("0.5", 0.5), ("1:20", 80), ("01:20.5", 80.5), ("1:02:03", 3723), ("90:00", 5400)],
)
def test_positions_in_a_file(text: str, seconds: float) -> None:
    assert position_of(text, "--media-from") == seconds


@pytest.mark.parametrize(
    "text", ["", "-1", "1:60", "1:60:00", "1:2:3:4", "1:", ":20", "1m20s", "nan"]
)
def test_what_is_no_position(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"--media-from: .* no position"):
        position_of(text, "--media-from")


@pytest.mark.parametrize(
    ("text", "now", "meant"),
    [
        ("14:00", "2026-06-10T15:00+02:00", "2026-06-10T14:00+02:00"),
        ("16:00", "2026-06-10T15:00+02:00", "2026-06-09T16:00+02:00"),  # not yet today
        ("15:00", "2026-06-10T15:00+02:00", "2026-06-10T15:00+02:00"),
        ("0:30:15.25", "2026-06-10T00:31+02:00", "2026-06-10T00:30:15.25+02:00"),
        ("23:59", "2026-01-01T00:30+01:00", "2025-12-31T23:59+01:00"),
        ("14:00", "2026-10-25T20:00+01:00", "2026-10-25T14:00+01:00"),  # the clocks went back
        ("16:00", "2026-10-25T15:00+01:00", "2026-10-24T16:00+02:00"),  # the day before
        ("02:30", "2026-03-29T01:00+01:00", "2026-03-28T02:30+01:00"),  # today's is left out
        ("2026-06-10T14:00", "2026-06-12T00:00+02:00", "2026-06-10T14:00+02:00"),
        ("2026-01-10 14:00:05", "2026-06-12T00:00+02:00", "2026-01-10T14:00:05+01:00"),
        ("2026-06-10T14:00Z", "2026-06-12T00:00+02:00", "2026-06-10T14:00+00:00"),
        ("20260610T140000-0500", "2026-06-12T00:00+02:00", "2026-06-10T14:00-05:00"),
        ("2026-10-25T02:30+01:00", "2026-12-01T00:00+01:00", "2026-10-25T02:30+01:00"),
    ],
)
def test_times_in_berlin(zone: Zone, text: str, now: str, meant: str) -> None:
    zone("Europe/Berlin")
    found = moment_of(text, "--from", at(now))
    assert found == at(meant)
    assert found.tzinfo is not None


@pytest.mark.parametrize(
    ("text", "now", "told"),
    [
        ("2026-03-29T02:30", "2026-06-01T00:00Z", "was left out, when the clocks went forward"),
        ("02:30", "2026-03-29T12:00Z", "2026-03-29T02:30:00 was left out"),
        (
            "02:30",
            "2026-10-25T12:00Z",
            "came twice, .* write 2026-10-25T02:30:00\\+02:00 or 2026-10-25T02:30:00\\+01:00",
        ),
        ("2026-10-25T02:00", "2026-12-01T00:00Z", "came twice"),
        ("24:00", "2026-06-10T15:00Z", "no time of day"),
        ("12:60", "2026-06-10T15:00Z", "no time of day"),
        ("noon", "2026-06-10T15:00Z", "'noon' is no time"),
        ("2026-06-10", "2026-06-10T15:00Z", "write 2026-06-10T00:00"),
        ("2026-13-10T00:00", "2026-06-10T15:00Z", "no time"),
        ("", "2026-06-10T15:00Z", "no time"),
    ],
)
def test_times_that_berlin_does_not_have_are_refused(
    zone: Zone, text: str, now: str, told: str
) -> None:
    zone("Europe/Berlin")
    with pytest.raises(InvalidInput, match=told) as caught:
        moment_of(text, "--to", at(now))
    assert caught.value.field == "--to"


def test_the_end_of_time_is_refused(zone: Zone) -> None:
    zone("Asia/Kolkata")
    with pytest.raises(InvalidInput, match=r"--to: .* out of range"):
        moment_of("00:10", "--to", at("2026-06-10T12:00Z"), after=at("9999-12-31T23:50Z"))
    with pytest.raises(InvalidInput, match=r"--to: .* out of range"):
        moment_of("0001-01-01T00:00", "--to", at("2026-06-10T12:00Z"))


def test_without_tz_the_machines_own_zone_counts(zone: Zone) -> None:
    zone(None)
    now = datetime(2026, 6, 10, 15, 0).astimezone()
    assert moment_of("14:00", "--from", now) == datetime(2026, 6, 10, 14, 0).astimezone()
    for far in ("UTC", "Asia/Kolkata", "America/St_Johns", "Pacific/Kiritimati"):
        zone(far)
        now = datetime(2026, 6, 10, 15, 0).astimezone()
        found = moment_of("14:00", "--from", now)
        assert (now - found, found.utcoffset()) == (timedelta(hours=1), now.utcoffset())


def test_moments_are_shown_in_local_time(zone: Zone) -> None:
    zone("Europe/Berlin")
    now = at("2026-06-10T12:00Z")
    assert shown_moment(at("2026-06-10T10:03:22Z"), now) == "12:03:22"
    assert shown_moment(at("2026-06-09T23:03:22Z"), now) == "01:03:22"
    assert shown_moment(at("2026-06-09T10:03:22Z"), now) == "2026-06-09 12:03:22"


def test_times_in_messages_are_the_callers(zone: Zone) -> None:
    zone("Europe/Berlin")
    said = "begins after the newest frame, which was seen at 2026-06-10T10:03:22.462+00:00"
    shown = in_local_time(said, at("2026-06-10T12:00Z"))
    assert shown == "begins after the newest frame, which was seen at 12:03:22"
    for other in ("at 2026-06-10T10:03:22+02:00", "nothing"):
        assert in_local_time(other, at("2026-06-10T12:00Z")) == other


def span(now: str = "2026-06-10T15:00+02:00", **given: str) -> AskedSpan | None:
    options = dict.fromkeys(("last", "start", "end", "media_start", "media_end"))
    return span_of(**{**options, **given}, now=at(now))


def test_spans(zone: Zone) -> None:
    zone("Europe/Berlin")
    today = "2026-06-10T{}+02:00".format
    assert span() is None
    assert span(last="10m") == last(minutes=10)
    assert span(start="14:00") == between(at(today("14:00")))
    assert span(end="14:10") == between(end=at(today("14:10")))
    assert span(start="14:00", end="14:10") == between(at(today("14:00")), at(today("14:10")))
    assert span(media_start="1:20", media_end="125") == in_file(80, 125)
    assert span(media_end="2:05") == in_file(None, 125)


def test_the_end_is_the_first_such_time_after_the_start(zone: Zone) -> None:
    """Also over midnight, and where it has not come yet."""
    zone("Europe/Berlin")
    night = between(at("2026-06-09T23:50+02:00"), at("2026-06-10T00:10+02:00"))
    assert span(start="23:50", end="00:10") == night
    until_four = between(at("2026-06-10T14:00+02:00"), at("2026-06-10T16:00+02:00"))
    assert span(start="14:00", end="16:00") == until_four
    dated = between(at("2026-06-01T23:50+02:00"), at("2026-06-02T00:10+02:00"))
    assert span(start="2026-06-01T23:50", end="00:10") == dated


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"last": "10m", "start": "14:00"}, "--last: cannot be combined with --from and --to"),
        ({"end": "14:00", "media_end": "5"}, "--from and --to: cannot be combined with --media"),
        ({"last": "10m", "media_start": "5"}, "--last: cannot be combined with --media-from"),
        ({"media_start": "6", "media_end": "5"}, "--media-to: lies before --media-from"),
        ({"start": "14:00", "end": "2026-06-10T13:00"}, "--to: lies before --from"),
        ({"last": "soon"}, "--last: 'soon'"),
        ({"end": "soon"}, "--to: 'soon'"),
    ],
)
def test_spans_that_cannot_be_meant(zone: Zone, given: dict[str, str], told: str) -> None:
    zone("Europe/Berlin")
    with pytest.raises(InvalidInput, match=told):
        span(**given)
