from __future__ import annotations

from fractions import Fraction

import pytest

from services.decoder.frame_interval import USUAL_S, FrameInterval


@pytest.mark.parametrize(
    ("rates", "seconds"),
    [
        ((Fraction(25), None), 0.04),
        ((None, Fraction(30)), 1 / 30),
        ((Fraction(90000), Fraction(25)), 0.04),
        ((Fraction(1, 10), Fraction(90000)), 10.0),
        ((Fraction(0), Fraction(90000)), USUAL_S),
        ((Fraction(1, 1000), None), USUAL_S),
    ],
)
def test_what_the_stream_says_is_taken_if_it_can_be(
    rates: tuple[Fraction | None, ...], seconds: float
) -> None:
    assert FrameInterval(*rates).seconds == pytest.approx(seconds)


def test_nonsense_gives_way_to_what_the_timestamps_show() -> None:
    interval = FrameInterval(Fraction(90000), None)
    for shown in (0, 3, 1, 2, 6, 4, 5, 9, 7, 8):  # as they come with B-frames
        interval.seen(shown / 12.5)
    assert interval.seconds == pytest.approx(0.08)


def test_timestamps_that_are_missing_or_equal_show_nothing() -> None:
    interval = FrameInterval(None)
    for at_s in (None, 5.0, 5.0, None, 5.0, 5.0):
        interval.seen(at_s)
    assert interval.seconds == USUAL_S


def test_a_jump_is_no_interval() -> None:
    interval = FrameInterval(None)
    for number in range(12):
        interval.seen(number * 0.04 + (7200 if number > 5 else 0))
    assert interval.seconds == pytest.approx(0.04)
