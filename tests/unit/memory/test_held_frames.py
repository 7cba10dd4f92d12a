"""The frames that other threads see a memory hold are those that it holds."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from hermes.memory import FrameStamp, HeldFrames
from hermes.memory.coverage import FrameTable
from tests.support.examples import at_most
from tests.support.snapshots import LAYOUT, small

STEPS = st.lists(st.one_of(st.none(), st.sets(st.integers(0, 30))), max_size=40)
"""None: a frame comes. A set: only these frames are held on."""


@given(STEPS)
@settings(max_examples=at_most(200), deadline=None)
def test_every_moment_stays_as_it_was(steps: list[set[int] | None]) -> None:
    table = FrameTable()
    moments: list[tuple[HeldFrames, list[tuple[int, FrameStamp]]]] = [(HeldFrames(), [])]
    for step in steps:
        if step is None:
            table.add(FrameStamp(1000 * table.seen), after_gap=False)
        else:
            table.retain(step, table.seen, dict.fromkeys(step, 1))
        moments.append((HeldFrames.of(table), table.stamps()))
    for held, stamps in moments:
        assert list(held) == stamps
        assert len(held) == len(stamps)
    for (before, had), (after, has) in pairwise(moments):
        new = after.after(before)
        if new is not None:
            assert [*had, *new] == has


def test_it_says_how_much_a_compression_left_of_each_frame() -> None:
    memory = small()  # a budget of 6 tokens, which is that of three frames
    held = HeldFrames.of(memory.held.table)
    assert [number for number, _ in held] == [1, 2, 3]
    assert held.tokens == {1: 4, 2: 4, 3: 4}  # two in each of two layers
    assert held.last_ms == 3
    memory.commit(memory.begin_frames([FrameStamp(4)], LAYOUT))
    later = HeldFrames.of(memory.held.table)
    assert later.after(held) == [(4, FrameStamp(4))]
    assert (len(held), later.last_ms) == (3, 4)
    assert held.after(later) == []
    assert HeldFrames.of(memory.held.table).after(HeldFrames()) is None
