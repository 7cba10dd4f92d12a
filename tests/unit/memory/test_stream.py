"""A memory is bounded, keeps order, and is not touched by questions."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes.errors import InvalidInput
from hermes.memory import (
    CacheShape,
    FrameLayout,
    FrameStamp,
    MemoryConfig,
    Rotary,
    SlidingWindow,
    StreamMemory,
)
from tests.support.examples import at_most

SHAPE = CacheShape(
    layers=3, kv_heads=2, head_dim=8, axes=1, dtype=torch.float32, device=torch.device("cpu")
)
ROTARY = Rotary(torch.ones(8) / 10, torch.zeros(8, dtype=torch.int64))
PREFIX = 4
PER_FRAME = 3
LAYOUT = FrameLayout.sequential(PER_FRAME)


def make(config: MemoryConfig) -> StreamMemory:
    memory = StreamMemory(SHAPE, ROTARY, config, SlidingWindow())
    memory.commit(memory.begin_prefix(PREFIX))
    return memory


def push(memory: StreamMemory, frames: int, start: int = 0) -> None:
    for number in range(start, start + frames):
        if memory.room() < PER_FRAME:
            memory.compress()
        row = memory.begin_frames([FrameStamp(number * 100)], LAYOUT)
        for layer in range(SHAPE.layers):
            fill = torch.full((2, PER_FRAME, 8), float(number * 10 + layer))
            row.attend(layer, torch.zeros((2, PER_FRAME, 8)), fill, fill, 1.0)
        memory.commit(row)


@settings(max_examples=at_most(40), deadline=None)
@given(
    budget=st.integers(3, 40),
    headroom=st.integers(3, 20),
    frames=st.integers(1, 60),
    eager=st.booleans(),
)
def test_bounded_ordered_and_whole(budget: int, headroom: int, frames: int, eager: bool) -> None:
    limit = PREFIX + budget + headroom + 30
    memory = make(MemoryConfig(budget, headroom, limit, 8, "eager" if eager else "lazy"))
    for number in range(frames):
        push(memory, 1, start=number)
        assert memory.video_tokens <= budget + headroom
        assert memory.next_position + 8 <= limit
    memory.compress()
    slab = memory.held.slab
    assert memory.video_tokens == min(budget, frames * PER_FRAME)
    for layer in range(SHAPE.layers):
        held = slab.frames[layer, PREFIX : slab.length]
        assert torch.all(held.diff() >= 0)
        assert torch.all(slab.positions[layer, 0, : slab.length].diff() > 0)
        # every token still carries what was written for its frame in this layer
        values = slab.values[layer, 0, PREFIX : slab.length, 0]
        assert torch.equal(values, held.float() * 10 + layer)
    assert torch.equal(slab.positions[0, 0, :PREFIX], torch.arange(PREFIX, dtype=torch.int32))
    coverage = memory.coverage()
    assert coverage.frames_seen == frames
    assert coverage.end_ms == (frames - 1) * 100
    assert coverage.frames == len(slab.frames[0, PREFIX : slab.length].unique())


def test_a_gap_is_reported_until_it_leaves_memory() -> None:
    memory = make(MemoryConfig(budget=12, headroom=6, position_limit=1000, position_reserve=8))
    push(memory, 2)
    row = memory.begin_frames([FrameStamp(9_000)], LAYOUT, after_gap=True)
    memory.commit(row)
    assert memory.coverage().gaps == ((100, 9_000),)
    for number in range(100, 104):
        row = memory.begin_frames([FrameStamp(number * 100)], LAYOUT)
        memory.commit(row)
        memory.compress()
    assert memory.coverage().start_ms == 10_000
    assert memory.coverage().gaps == ()


def test_an_abandoned_row_leaves_no_trace() -> None:
    memory = make(MemoryConfig(budget=12, headroom=6, position_limit=1000, position_reserve=8))
    push(memory, 2)
    before = (memory.length, memory.next_position, memory.coverage())
    memory.abandon(memory.begin_frames([FrameStamp(5)], LAYOUT))
    assert (memory.length, memory.next_position, memory.coverage()) == before
    push(memory, 1, start=2)
    assert memory.coverage().frames_seen == 3


def test_memory_bytes_do_not_grow() -> None:
    memory = make(MemoryConfig(budget=12, headroom=6, position_limit=200, position_reserve=8))
    push(memory, 100)
    pointer, size = memory.held.slab.keys.data_ptr(), memory.held.slab.keys.numel()
    push(memory, 300, start=100)
    assert (memory.held.slab.keys.data_ptr(), memory.held.slab.keys.numel()) == (pointer, size)


@pytest.mark.parametrize(
    ("budget", "headroom", "limit", "field"),
    [(0, 1, 100, "budget"), (1, 0, 100, "headroom"), (90, 8, 100, "budget")],
)
def test_impossible_configurations_are_refused(
    budget: int, headroom: int, limit: int, field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        MemoryConfig(budget, headroom, limit, 8)
    assert refused.value.field == field


def test_bad_input_is_named_and_changes_nothing() -> None:
    config = MemoryConfig(budget=12, headroom=6, position_limit=1000, position_reserve=8)
    empty = StreamMemory(SHAPE, ROTARY, config, SlidingWindow())
    with pytest.raises(InvalidInput, match="prefix comes first"):
        empty.begin_frames([FrameStamp(0)], LAYOUT)
    with pytest.raises(InvalidInput, match="is empty"):
        empty.begin_prefix(0)
    with pytest.raises(InvalidInput, match="prefix comes first"):
        empty.branch(1)
    memory = make(config)
    with pytest.raises(InvalidInput, match="one prefix"):
        memory.begin_prefix(1)
    with pytest.raises(InvalidInput, match="there are none"):
        memory.begin_frames([], LAYOUT)
    with pytest.raises(InvalidInput, match="exceed the 18 that fit"):
        memory.begin_frames([FrameStamp(0)] * 7, LAYOUT)
    with memory.branch(2) as branch, pytest.raises(InvalidInput, match="exceed the 2"):
        branch.row(3)
    assert memory.length == PREFIX
