"""The search for the frames that an answer rests on, on answers whose likelihood is made up."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes.engine.hiding import PARTS, SEGMENTS, Found, Hidden, Hiding, cut, odds
from tests.support.examples import at_most


def likely(log_odds: float) -> float:
    """A log-probability of these log-odds."""
    return -math.log1p(math.exp(-log_odds))


def searched(
    frames: list[int], wanted: int, logprob: Callable[[set[int]], float], most: int = 100
) -> Found:
    """What a search finds where an answer is as likely as `logprob` says of what is shown."""
    search = Hiding(frames, wanted)
    for _ in range(50):
        if not search.next:
            return search.found
        some: list[Hidden] = search.next[:most]
        search.took([logprob(set(frames) - set(hidden)) for hidden in some])
    raise AssertionError("it never ends")


def rests_on(shows: set[int]) -> Callable[[set[int]], float]:
    return lambda shown: likely(5.0) if shown & shows else likely(-6.0)


@settings(max_examples=at_most(200), deadline=None)
@given(
    frames=st.sets(st.integers(0, 5000), min_size=2, max_size=700),
    share=st.floats(0, 0.49),
    wanted=st.integers(1, 16),
    most=st.integers(1, 40),
    data=st.data(),
)
def test_the_frames_named_show_what_the_answer_rests_on(
    frames: set[int], share: float, wanted: int, most: int, data: st.DataObject
) -> None:
    """Something is to be seen in a stretch of less than half of the frames."""
    held = sorted(frames)
    length = max(1, int(share * len(held) * 0.7))
    start = data.draw(st.integers(0, len(held) - length))
    shows = set(held[start : start + length])
    segments = cut(held, SEGMENTS)
    seen_in = sum(bool(shows & set(segment)) for segment in segments)
    found = searched(held, wanted, rests_on(shows), most)
    if seen_in > len(segments) // 2:
        return  # in so much of it that no frame stands out
    assert found.frames
    assert {number for number, _ in found.frames} <= shows
    assert len({number for number, _ in found.frames}) == len(found.frames) <= wanted
    assert found.logprob == likely(5.0)
    assert found.largest_fall == pytest.approx(likely(5.0) - likely(-6.0))
    levels = math.ceil(math.log(max(2, len(held)) / SEGMENTS, PARTS)) if len(held) > SEGMENTS else 0
    assert found.readings <= 1 + SEGMENTS + PARTS * (max(0, levels) + 1) + wanted


def test_it_takes_few_readings_and_passes() -> None:
    """Of 400 frames, three are named."""
    search, passes = Hiding(range(400), 3), 0
    shown = rests_on(set(range(200, 230)))
    while search.next:
        passes += 1
        search.took([shown(set(range(400)) - set(hidden)) for hidden in search.next])
    assert (len(search.found.frames), passes) == (3, 6)
    assert search.found.readings <= 32


@pytest.mark.parametrize("frames", [0, 1, 2, 5, 80])
def test_an_answer_that_hiding_does_not_change_has_no_evidence(frames: int) -> None:
    found = searched(list(range(frames)), 3, lambda shown: likely(3.0))
    assert found.frames == ()
    assert found.largest_fall == 0.0
    assert found.logprob == likely(3.0)
    assert found.readings == 2 + min(SEGMENTS, frames)


def test_there_is_none_for_what_nearly_every_frame_shows() -> None:
    """`No, there was none` is as likely from each segment, but for a few."""
    doubtful = {7, 42}

    def logprob(shown: set[int]) -> float:
        hidden = not shown or (len(shown) < 20 and shown & doubtful)
        return likely(-6.0) if hidden else likely(4.0)

    found = searched(list(range(80)), 3, logprob)
    assert found.frames == ()
    assert found.largest_fall > 4, "hiding changes it here and there all the same"


def test_a_segment_that_misleads_alone_does_not_beside_the_others() -> None:
    """Alone, it shows nothing but another object of that colour; among others it is not taken."""
    shows, other = set(range(40, 50)), set(range(70, 80))

    def logprob(shown: set[int]) -> float:
        if shown & shows:
            return likely(5.0)
        return likely(8.0) if shown and shown <= other else likely(-4.0)

    found = searched(list(range(80)), 3, logprob)
    assert len(found.frames) == 3
    assert {number for number, _ in found.frames} <= shows


def test_what_any_half_of_the_frames_shows_is_no_evidence_though_few_frames_do_not() -> None:
    """As a "no" that a few frames make doubtful: from none at all, and from half, it is said."""

    def logprob(shown: set[int]) -> float:
        sure = not shown or len(shown) > 30 or 5 in shown
        return likely(4.0 if sure else -4.0)

    assert searched(list(range(80)), 3, logprob).frames == ()


def test_what_only_a_quarter_of_the_frames_lacks_has_evidence_if_it_falls_far() -> None:
    """Half of the segments are unlikely alone, and one of these shows it beside the others."""
    late = set(range(30, 40))

    def logprob(shown: set[int]) -> float:
        if shown & set(range(60, 80)):
            return likely(6.0)
        return likely(
            2.0 if shown & late and len(shown) > 10 else -9.0 - min(shown, default=0) / 99
        )

    found = searched(list(range(80)), 2, logprob)
    assert found.frames
    assert {number for number, _ in found.frames} <= set(range(60, 80))


def test_what_a_model_says_without_any_frame_has_no_evidence() -> None:
    """Though some frames make it say another thing, and others make it say so again."""
    doubtful = set(range(40))

    def logprob(shown: set[int]) -> float:
        return likely(-6.0) if shown & doubtful and not shown - doubtful else likely(4.0)

    found = searched(list(range(80)), 3, logprob)
    assert found.frames == ()
    assert found.largest_fall > 4
    seen = searched(list(range(80)), 3, lambda shown: logprob(shown) if shown else likely(-6.0))
    assert seen.frames, "if without any frame it says another thing, it had to see one of them"


def test_a_long_answer_is_unlikely_by_itself() -> None:
    """Its tokens are many: what counts is how much less likely it becomes."""
    found = searched(list(range(80)), 1, lambda shown: -30.0 if 33 in shown else -32.0)
    assert found.frames == ()
    found = searched(list(range(80)), 1, lambda shown: -30.0 if 33 in shown else -50.0)
    assert found.frames == ((33, -50.0),)


def test_frames_that_show_more_come_first() -> None:
    weights = {40: 5.0, 41: 3.0, 43: 1.0}

    def logprob(shown: set[int]) -> float:
        return likely(max((weights.get(frame, -8.0) for frame in shown), default=-8.0))

    found = searched(list(range(80)), 3, logprob)
    assert [number for number, _ in found.frames] == [40, 41, 43]
    assert found.frames[0][1] == likely(3.0), "with that frame alone hidden, the next one shows it"


@given(st.lists(st.integers(), unique=True).map(sorted), st.integers(1, 12))
def test_frames_are_cut_evenly_and_whole(frames: list[int], most: int) -> None:
    parts = cut(frames, most)
    assert [frame for part in parts for frame in part] == frames
    assert len(parts) == min(most, len(frames))
    sizes = {len(part) for part in parts}
    assert not sizes or max(sizes) - min(sizes) <= 1


@given(st.floats(-12, 12))
def test_odds_are_those_of_the_probability(log_odds: float) -> None:
    assert odds(likely(log_odds)) == pytest.approx(log_odds, abs=1e-3)
