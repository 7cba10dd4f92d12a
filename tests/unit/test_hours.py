"""Hours of the week: read, written, and looked at across changes of the clock."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.errors import InvalidInput
from hermes.hours import DaySpan, WeekHours, read_hours

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, fold: int = 0) -> datetime:
    """A moment by the clock in Berlin."""
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Mon-Fri 08:00-18:00 Europe/Berlin", None),
        ("mon-fri 8:00-18:00 Europe/Berlin", "Mon-Fri 08:00-18:00 Europe/Berlin"),
        ("22:00-06:00 UTC", "Mon-Sun 22:00-06:00 UTC"),
        ("Sat 00:00-24:00 Asia/Tokyo", None),
        ("Mon+Wed 08:00-12:00, Sat-Sun 10:00-16:00 America/New_York", None),
        ("Fri-Mon 09:00 - 10:00 Europe/Berlin", "Mon+Fri-Sun 09:00-10:00 Europe/Berlin"),
    ],
)
def test_hours_are_read_and_written(text: str, written: str | None) -> None:
    hours = read_hours(text, "--hours")
    assert str(hours) == (written or text)
    assert read_hours(str(hours), "--hours") == hours


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Mon-Fri 08:00-18:00", "a time zone must stand at the end"),
        ("Mon-Fri", "a time zone must stand at the end"),
        ("", "a time zone must stand at the end"),
        ("Mon 08:00-18:00 Europe/Atlantis", "'Europe/Atlantis' is no time zone"),
        ("Mon 08:00-18:00 ../../etc/passwd", "a time zone must stand at the end"),
        ("Mon 08:00-18:00 America", "'America' is no time zone"),
        ("Mon 8-18 UTC", "'8' is no time"),
        ("Mon 08:00-25:00 UTC", "'25:00' is no time"),
        ("Mon 08:60-09:00 UTC", "'08:60' is no time"),
        ("Mon 24:00-09:00 UTC", "nothing begins at 24:00"),
        ("Noday 08:00-09:00 UTC", "'Noday' is no day"),
        ("08:00 UTC", "is no span of days and times"),
        (", ".join(["Mon 08:00-09:00"] * 33) + " UTC", "has 33; 1 to 32 are needed"),
    ],
)
def test_what_is_wrong_is_said(text: str, words: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_hours(text, "--hours")
    assert refused.value.field == "--hours"
    assert words in refused.value.message


def test_days_and_minutes_count_by_the_clock_of_the_zone() -> None:
    hours = read_hours("Mon-Fri 08:00-18:00 Europe/Berlin", "hours")
    assert not hours.covers(at("2026-11-30T07:59"))  # a Monday
    assert hours.covers(at("2026-11-30T08:00"))
    assert hours.covers(at("2026-11-30T17:59"))
    assert not hours.covers(at("2026-11-30T18:00"))
    assert not hours.covers(at("2026-11-29T12:00"))
    assert hours.covers(datetime(2026, 11, 30, 7, 30, tzinfo=UTC))


def test_a_night_belongs_to_the_day_on_which_it_begins() -> None:
    hours = read_hours("Fri 22:00-06:00 Europe/Berlin", "hours")
    assert hours.covers(at("2026-12-04T22:00"))
    assert hours.covers(at("2026-12-05T05:59"))
    assert not hours.covers(at("2026-12-04T05:59"))
    assert not hours.covers(at("2026-12-05T22:00"))
    sunday = read_hours("Sun 22:00-06:00 Europe/Berlin", "hours")
    assert sunday.covers(at("2026-12-07T01:00"))  # the Monday after it


def test_a_whole_day() -> None:
    hours = read_hours("Sat 00:00-24:00 Europe/Berlin", "hours")
    assert hours.covers(at("2026-12-05T00:00"))
    assert hours.covers(at("2026-12-05T23:59"))
    assert not hours.covers(at("2026-12-06T00:00"))


def test_the_hour_that_the_clock_repeats_counts_both_times() -> None:
    hours = read_hours("Sun 02:00-03:00 Europe/Berlin", "hours")
    # On 25 October 2026 the clock goes from 03:00 back to 02:00.
    minutes = [datetime(2026, 10, 24, 22, 0, tzinfo=UTC).timestamp() + 60 * n for n in range(480)]
    covered = sum(hours.covers(datetime.fromtimestamp(one, UTC)) for one in minutes)
    assert covered == 120
    assert hours.covers(at("2026-10-25T02:30", fold=0))
    assert hours.covers(at("2026-10-25T02:30", fold=1))


def test_the_hour_that_the_clock_skips_does_not_come() -> None:
    hours = read_hours("Sun 02:00-03:00 Europe/Berlin", "hours")
    # On 29 March 2026 the clock goes from 02:00 to 03:00.
    minutes = [datetime(2026, 3, 28, 22, 0, tzinfo=UTC).timestamp() + 60 * n for n in range(480)]
    assert not any(hours.covers(datetime.fromtimestamp(one, UTC)) for one in minutes)


@given(
    st.sets(st.integers(1, 7), min_size=1),
    st.integers(0, 1439),
    st.integers(0, 1439),
    st.integers(0, 7 * 1440 - 1),
)
def test_a_span_covers_as_many_minutes_as_it_is_long(
    days: set[int], start: int, end: int, minute: int
) -> None:
    span = DaySpan(frozenset(days), start, end)
    length = (end - start) % 1440 or 1440
    begins = [(day - 1) * 1440 + start for day in days]
    expected = any((minute - begin) % (7 * 1440) < length for begin in begins)
    assert span.covers(minute // 1440 + 1, minute % 1440) == expected
    hours = WeekHours("UTC", (span,))
    assert read_hours(str(hours), "hours") == hours
