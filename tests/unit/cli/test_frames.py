"""The frames that a command's options name, and how they are shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hermes.client import FramePicture
from hermes.errors import InvalidInput
from services.cli.frames import between, line_of

NOW = datetime(2026, 11, 29, 15, 0, tzinfo=UTC)


def test_the_last_minutes_end_with_the_newest_frame() -> None:
    assert between("10m", None, None, NOW) == (NOW - timedelta(minutes=10), None)
    assert between(None, None, None, NOW) == (None, None)


def test_from_and_to_have_a_time_zone() -> None:
    start, end = between(None, "2026-11-29T14:00+00:00", "2026-11-29T15:10+01:00", NOW)
    assert (start, end) == (NOW - timedelta(hours=1), NOW - timedelta(minutes=50))


@pytest.mark.parametrize(
    ("last", "start", "end", "field"),
    [
        ("10m", "14:00", None, "--last"),
        ("99999d", None, "14:00", "--last"),
        ("999999999d", None, None, "--last"),
        ("soon", None, None, "--last"),
        (None, "2026-11-29T14:00Z", "2026-11-29T13:00Z", "--to"),
        (None, "yesterday", None, "--from"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    last: str | None, start: str | None, end: str | None, field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        between(last, start, end, NOW)
    assert caught.value.field == field


def test_a_line_says_when_and_how_large() -> None:
    kept = FramePicture(NOW, 12, 80.5, b"abc", 3)
    gone = FramePicture(NOW, 13, None, b"", 0)
    assert line_of(kept, Path("a.jpg")).split()[-5:] == [
        "15:00:00.000",
        "1:20.5",
        "3",
        "B",
        "a.jpg",
    ]
    assert line_of(gone, None).endswith("no picture")
