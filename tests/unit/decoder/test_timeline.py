from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.decoder.timeline import JITTER_S, LIVE_JUMP_S, Speed, Timeline

stamps = st.one_of(
    st.none(),
    st.floats(-1e6, 1e6),
    st.sampled_from([0.0, 1.0, math.nan, math.inf, -math.inf]),
)
steps = st.one_of(st.floats(0, 100), st.sampled_from([math.nan, math.inf, -1.0]))


@given(st.lists(st.tuples(stamps, steps), max_size=100))
def test_stream_time_never_falls_and_stays_finite(frames: list[tuple[float | None, float]]) -> None:
    timeline = Timeline()
    times = [timeline.advance(pts, step) for pts, step in frames]
    assert all(math.isfinite(t) and t >= 0 for t in times)
    assert all(a <= b for a, b in pairwise(times))


@given(st.lists(st.floats(0.001, 100), min_size=1, max_size=50), steps)
def test_rising_timestamps_are_followed_whatever_the_arrival(
    gaps: list[float], step: float
) -> None:
    timeline = Timeline()
    pts, total = 5.0, timeline.advance(5.0, step)
    assert total == 5.0
    for gap in gaps:
        pts += gap
        total = timeline.advance(pts, step)
    assert math.isclose(total, pts, rel_tol=1e-9)


@given(st.sampled_from(["none", "equal", "falling"]), st.floats(0.001, 1))
def test_useless_timestamps_give_way_to_the_step(kind: str, step: float) -> None:
    timeline = Timeline()
    for index in range(11):
        pts = {"none": None, "equal": 7.0, "falling": 7.0 - index}[kind]
        last = timeline.advance(pts, step)
    start = 0.0 if kind == "none" else 7.0
    assert math.isclose(last - start, 10 * step, rel_tol=1e-9)


def test_time_goes_on_after_a_jump_back() -> None:
    timeline = Timeline()
    times = [timeline.advance(pts, 0.1) for pts in (3600.0, 3600.1, 0.0, 0.1, 0.2)]
    assert [round(t - 3600, 6) for t in times] == [0.0, 0.1, 0.2, 0.3, 0.4]


def times(stamps: Sequence[float | None], step_s: float, jump_s: float = math.inf) -> list[float]:
    timeline = Timeline(jump_s)
    return [round(timeline.advance(pts, step_s), 6) for pts in stamps]


def test_every_timestamp_twice_takes_no_longer() -> None:
    """Interlaced cameras send one for each field: the second must not add up."""
    assert times([0, 0, 0.08, 0.08, 0.16, 0.16], 0.04) == [0, 0.04, 0.08, 0.12, 0.16, 0.2]


def test_a_missing_timestamp_does_not_hide_those_after_it() -> None:
    assert times([0.0, None, 1.0, None, 2.0], 0.04) == [0, 0.04, 1.0, 1.04, 2.0]


def test_timestamps_out_of_order_cost_no_time() -> None:
    assert times([0, 0.08, 0.04, 0.12, 0.2, 0.16], 0.04) == [0, 0.08, 0.12, 0.12, 0.2, 0.24]


def test_a_first_timestamp_that_lies_ahead_is_not_waited_for() -> None:
    """As RTSP cameras send them: 22530, then 3780, and on from there, at 90 kHz."""
    stamps = [22530 / 90000, *((3780 + 3600 * n) / 90000 for n in range(50))]
    made = times(stamps, 0.04, LIVE_JUMP_S)
    assert all(0 <= b - a < 0.081 for a, b in pairwise(made))
    assert made[-1] - made[0] == pytest.approx(50 * 0.04, abs=0.25)


def test_a_wrap_of_33_bits_is_no_time() -> None:
    wrap_s = 2**33 / 90000
    stamps = [wrap_s - 0.08, wrap_s - 0.04, 0.0, 0.04]
    assert times(stamps, 0.04) == [round(wrap_s - 0.08 + n * 0.04, 6) for n in range(4)]


@pytest.mark.parametrize("by_s", [-7200.0, -3.0, 3.0, 7200.0])
def test_a_live_source_that_sets_its_clock_goes_on(by_s: float) -> None:
    stamps = [n * 0.04 + (by_s if n >= 10 else 0) for n in range(20)]
    assert times([10_000 + s for s in stamps], 0.04, LIVE_JUMP_S) == [
        round(10_000 + n * 0.04, 6) for n in range(20)
    ]


def test_a_file_is_followed_over_hours() -> None:
    assert times([0, 0.04, 7200, 7200.04], 0.04) == [0, 0.04, 7200, 7200.04]


def test_a_slow_live_source_is_slow_and_does_not_jump() -> None:
    """A frame in six seconds: that it is no jump shows with the second one."""
    made = times([6.0 * n for n in range(6)], 0.04, LIVE_JUMP_S)
    assert [round(b - a, 2) for a, b in pairwise(made)] == [0.04, 6, 6, 6, 6]


def test_a_pause_of_the_source_is_one() -> None:
    """It was silent for as long as its timestamps say."""
    timeline = Timeline(LIVE_JUMP_S)
    timeline.advance(0.0, 0.0)
    assert timeline.advance(60.0, 59.0) == 60.0


gaps = st.lists(st.floats(0.01, 2.0), min_size=2, max_size=60)


@given(gaps, st.data())
def test_what_is_damaged_in_timestamps_is_made_up_for(
    gaps: list[float], data: st.DataObject
) -> None:
    """Some are missing, some are repeated: at those that are right, so is the time."""
    right = [0.0]
    for gap in gaps:
        right.append(right[-1] + gap)
    timeline = Timeline()
    shown = timeline.advance(0.0, 0.0)
    last = 0.0
    for pts in right[1:]:
        kind = data.draw(st.sampled_from(["right", "missing", "repeated"]))
        sent = {"right": pts, "missing": None, "repeated": last}[kind]
        shown = timeline.advance(sent, 0.01)
        if kind == "right":
            assert math.isclose(shown, pts, abs_tol=JITTER_S)
            assert shown >= pts - 1e-9
            last = pts


@given(gaps, st.floats(-1e5, 1e5), st.integers(0, 60))
def test_where_a_live_source_sets_its_clock_it_loses_one_step(
    gaps: list[float], by_s: float, at: int
) -> None:
    """Whatever it is set to, the time after it passes as it would have without."""
    honest, stepped = Timeline(LIVE_JUMP_S), Timeline(LIVE_JUMP_S)
    pts = 1e6
    honest.advance(pts, 0.0)
    stepped.advance(pts, 0.0)
    for index, gap in enumerate(gaps):
        pts += gap
        a = honest.advance(pts, gap)
        b = stepped.advance(pts + (by_s if index >= at else 0.0), gap)
    assert abs(a - b) <= max(2 * LIVE_JUMP_S, 2 * max(gaps)) + JITTER_S


def test_timestamps_at_another_speed_are_found_out() -> None:
    for speed, honest in ((0.5, False), (0.8, True), (1.0, True), (1.3, True), (2.0, False)):
        meter = Speed()
        said = [meter.honest(n * 0.04 * speed, 0.04) for n in range(600)]
        assert said[0], "nothing is known yet"
        assert said[-1] is honest, speed


def test_speed_is_judged_anew() -> None:
    meter = Speed()
    assert not [meter.honest(n * 0.02, 0.04) for n in range(600)][-1]
    assert [meter.honest(100 + n * 0.04, 0.04) for n in range(600)][-1]


def test_a_clock_that_is_set_has_no_other_speed() -> None:
    meter = Speed()
    assert all(meter.honest(n * 0.04 + 3600 * (n // 100), 0.04) for n in range(1000))
