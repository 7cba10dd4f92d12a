"""Durations as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.durations import duration_text, read_duration
from hermes.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5s", 5), ("500ms", 0.5), ("2m", 120), ("1h30m", 5400), ("7d", 604_800), (" 1.5s ", 1.5),
     ("0", 0), ("0s", 0), ("1d2h3m4s5ms", 93_784.005)],
)  # fmt: skip
def test_durations_are_read(text: str, seconds: float) -> None:
    assert read_duration(text, "--for") == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("5", "a number needs its unit"),
        ("", "is no duration"),
        ("-5s", "is no duration"),
        ("5 s", "is no duration"),
        ("30m1h", "write the larger unit first"),
        ("1m1m", "each once"),
        ("5y", "is no duration"),
    ],
)
def test_what_is_no_duration_is_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as refused:
        read_duration(text, "--for")
    assert refused.value.field == "--for"


@given(st.integers(0, 10**10))
def test_what_is_written_can_be_read(milliseconds: int) -> None:
    assert read_duration(duration_text(milliseconds / 1000), "x") == pytest.approx(
        milliseconds / 1000
    )
