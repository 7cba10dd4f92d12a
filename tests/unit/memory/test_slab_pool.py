"""Memories come and go, and the device's memory is allocated once."""

from __future__ import annotations

import pytest
import torch

from hermes.errors import Overloaded
from hermes.memory import FrameStamp, PackedPass, SlabPool
from hermes.question import Span
from hermes.vlm import Arrival, VideoMemory, take_together
from tests.support import tiny

QUESTION = "What now?"


def memory(pool: SlabPool, seed: int = 0, frames: int = 9) -> VideoMemory:
    made = VideoMemory(tiny.model(), budget=96, compress_every_frames=4, slabs=pool)
    if frames:
        made.feed(tiny.pictures(frames, seed=seed))
    return made


def test_slabs_are_reused_by_dozens_of_memories() -> None:
    pool = SlabPool(tiny.model().shape)
    there: list[VideoMemory] = []
    for number in range(60):
        if len(there) == 3:
            there.pop(number % 3).close()
        there.append(memory(pool, frames=0))
    assert pool.made == 3


def test_a_reused_slab_shows_nothing_of_its_last_memory() -> None:
    pool = SlabPool(tiny.model().shape)
    fresh = memory(SlabPool(tiny.model().shape), seed=7)
    memory(pool, seed=1, frames=12).close()
    again = memory(pool, seed=7)
    assert pool.made == 1
    assert again.ask(QUESTION, 8) == fresh.ask(QUESTION, 8)
    for name, tensor in fresh.state().tensors.items():
        assert torch.equal(tensor, again.state().tensors[name]), name


def test_a_slab_with_readers_is_not_reused() -> None:
    pool = SlabPool(tiny.model().shape)
    old, twin = memory(pool, seed=3), memory(pool, seed=3)
    model = tiny.model()
    question = model.question(QUESTION)
    with old.branch(len(question)) as branch:
        old.close()
        memory(pool, seed=4)  # does not get the slab that is being read
        row = branch.row(len(question))
        heard = model.forward(question, PackedPass([row]))
    with twin.branch(len(question)) as branch:
        expected = model.forward(question, PackedPass([branch.row(len(question))]))
    assert torch.equal(heard, expected)
    made = pool.made
    memory(pool, seed=5)
    assert pool.made == made


def test_compressing_while_reading_borrows_one_slab() -> None:
    pool = SlabPool(tiny.model().shape)
    one = memory(pool)
    for _ in range(5):
        with one.branch(4):
            one.feed(tiny.pictures(8))  # two compressions
    assert pool.made == 2


@torch.inference_mode()
@pytest.mark.parametrize("ends", ["commit", "abandon"])
def test_a_memory_closed_during_a_pass_returns_its_slab_after_it(ends: str) -> None:
    pool = SlabPool(tiny.model().shape)
    one = memory(pool, frames=2)
    model, cache = tiny.model(), one.cache
    row = cache.begin_frames([FrameStamp(99_000)], model.layout)
    one.close()
    memory(pool, frames=0)
    assert pool.made == 2  # the pass still writes to the first
    if ends == "commit":
        model.forward(model.encode(tiny.pictures(1))[0], PackedPass([row]))
        cache.commit(row)
        assert cache.compress() is None
    else:
        cache.abandon(row)
    memory(pool, frames=0)
    assert pool.made == 2


def test_a_memory_closed_while_its_picture_is_encoded_returns_one_slab() -> None:
    """Between two layers of the tower its frame has not begun to be written."""
    pool = SlabPool(tiny.model().shape)
    ends, stays = memory(pool, seed=1), memory(pool, seed=2)
    arrivals = [Arrival(m, tiny.pictures(1)[0], FrameStamp(100_000)) for m in (ends, stays)]
    outcomes = take_together(arrivals, ends.close, lambda error: pytest.fail(str(error)))
    assert outcomes == [None, None]
    assert stays.coverage().frames == 10
    next_one, another = memory(pool, seed=3), memory(pool, seed=4)
    alone = memory(SlabPool(tiny.model().shape), seed=3)
    assert next_one.ask(QUESTION, 8) == alone.ask(QUESTION, 8)
    for name, tensor in alone.state().tensors.items():
        assert torch.equal(tensor, next_one.state().tensors[name]), name
    assert another.coverage().frames == 9
    assert pool.made == 3


def test_closing_twice_returns_one_slab() -> None:
    pool = SlabPool(tiny.model().shape)
    one = memory(pool, frames=0)
    one.close()
    one.close()
    memory(pool, frames=0)
    memory(pool, frames=0)
    assert pool.made == 2


def test_a_closed_memory_is_neither_read_nor_restored() -> None:
    """Its slab may be another memory's by now."""
    pool = SlabPool(tiny.model().shape)
    closed = memory(pool)
    state = closed.state()
    closed.close()
    following = memory(pool, seed=5)
    for call in (closed.state, lambda: closed.restore(state), lambda: closed.branch(4)):
        with pytest.raises(RuntimeError, match="closed"):
            call()
    memory(pool, seed=6)
    assert pool.made == 2
    assert following.coverage().frames == 9


def test_a_slab_made_in_inference_mode_can_be_restored_outside_it() -> None:
    pool = SlabPool(tiny.model().shape)
    with torch.inference_mode():
        for made in [memory(pool, frames=0), memory(pool, frames=0)]:
            made.close()
    source, target = memory(SlabPool(tiny.model().shape)), memory(pool, frames=0)
    target.restore(source.state())
    assert target.ask(QUESTION, 8) == source.ask(QUESTION, 8)


def test_no_more_memories_are_read_than_there_is_room_for() -> None:
    """One that is read already needs no more room; an old slab that is read still takes its own."""
    pool = SlabPool(tiny.model().shape)
    pool.most_read = 2
    one, two, three = (memory(pool, seed) for seed in range(3))
    branches = [one.branch(4), one.branch(4), two.branch(4)]
    assert not three.cache.can_be_read()
    assert one.cache.can_be_read()
    assert not one.cache.can_be_read(Span(0, 4000))
    for span in (None, Span(0, 4000)):
        with pytest.raises(Overloaded, match="2 memories are being read"):
            three.branch(4, span)
    with pytest.raises(Overloaded):
        one.branch(4, Span(0, 4000))
    branches[0].close()
    assert not three.cache.can_be_read()
    branches[2].close()
    with three.branch(4, Span(0, 4000)):
        assert not two.cache.can_be_read()
    with three.branch(4):
        one.feed(tiny.pictures(8))  # its slab is another one now, and the old one is read still
        assert not one.cache.can_be_read()
        branches[1].close()
        assert one.cache.can_be_read()
    assert two.cache.can_be_read()
