"""The arithmetic of the benchmark of choices."""

from __future__ import annotations

import math

import pytest

from benchmarks.quality.choices import Scored, area, area_interval, calibration_error, report


def yes_no(stream: int, yes: float, *, is_yes: bool) -> Scored:
    return Scored("appeared", stream, (yes, 1 - yes), 0 if is_yes else 1)


def test_the_area_is_how_often_a_right_yes_is_more_probable() -> None:
    scored = [yes_no(0, 0.9, is_yes=True), yes_no(0, 0.4, is_yes=True)]
    scored += [yes_no(1, 0.6, is_yes=False), yes_no(1, 0.1, is_yes=False)]
    assert area(scored) == 3 / 4
    assert area([*scored, yes_no(2, 0.4, is_yes=False)]) == pytest.approx((3 + 1.5) / 6)
    assert math.isnan(area(scored[:2]))


def test_the_calibration_error_is_the_gap_between_confidence_and_right_answers() -> None:
    scored = [yes_no(0, 0.8, is_yes=at < 6) for at in range(10)]
    assert calibration_error(scored) == pytest.approx(0.2)
    both = scored + [yes_no(0, 0.95, is_yes=True) for _ in range(10)]
    assert calibration_error(both) == pytest.approx((0.2 + 0.05) / 2)


def test_an_interval_holds_the_area_and_the_table_has_a_row_for_each_kind() -> None:
    scored = [
        yes_no(at % 7, (at * 7 % 11) / 11 / 2 + at % 2 / 2, is_yes=at % 3 > 0) for at in range(60)
    ]
    low, high = area_interval(scored)
    assert low <= area(scored) <= high
    assert report({"some": scored}).count("\n") == 2
