"""Frames of many memories in one pass: the same memories as one by one, and faults stay apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from hermes.errors import InvalidInput
from hermes.memory import Compression, FrameStamp, PackedPass, Projections
from hermes.vlm import Arrival, VideoMemory, VideoModel, take_together
from tests.support import tiny, tiny_qwen

QUESTION = "What is happening now?"


def memories(count: int, model: Any = None, already: Sequence[int] = ()) -> list[VideoMemory]:
    """Memories that compress every fourth frame, some with frames in them already."""
    model = model or tiny.model()
    tokens = model.layout.tokens
    made = [VideoMemory(model, budget=6 * tokens, compress_every_frames=4) for _ in range(count)]
    for number, (memory, frames) in enumerate(zip(made, already, strict=False)):
        if frames:
            memory.feed(tiny.pictures(frames, seed=100 + number))
    return made


def arrivals(of: Sequence[VideoMemory], frames: int, seed: int = 0) -> list[Arrival]:
    """`frames` for each memory, in turn, as they come from cameras."""
    pictures = {id(memory): tiny.pictures(frames, seed=seed + n) for n, memory in enumerate(of)}
    return [
        Arrival(memory, pictures[id(memory)][index], FrameStamp(100_000 + 1000 * index))
        for index in range(frames)
        for memory in of
    ]


def same(one: VideoMemory, other: VideoMemory) -> None:
    """Both hold the same tokens, and make the same of a question."""
    for ours, theirs in zip(one.cache.identities(), other.cache.identities(), strict=True):
        assert torch.equal(ours, theirs)
    a, b = one.state().tensors, other.state().tensors
    for name in ("keys", "values"):
        torch.testing.assert_close(a[name], b[name], rtol=1e-4, atol=1e-4)
    assert torch.equal(a["positions"], b["positions"])
    assert one.coverage() == other.coverage()
    assert one.ask(QUESTION, 6) == other.ask(QUESTION, 6)


@pytest.mark.parametrize("frames", [1, 3, 11])
def test_together_or_one_by_one(frames: int) -> None:
    """At different lengths, with compressions and their guidance in the same pass."""
    already = (0, 3, 7, 9, 2)
    together, alone = memories(5, already=already), memories(5, already=already)
    outcomes = take_together(arrivals(together, frames))
    expected = [item.memory.take(item.picture, item.stamp) for item in arrivals(alone, frames)]
    assert outcomes == expected
    for one, other in zip(together, alone, strict=True):
        same(one, other)


@pytest.mark.parametrize("family", tiny_qwen.FAMILIES)
def test_families_that_merge_pictures(family: str) -> None:
    """Two pictures make a frame: the first of a pair waits, in this call or until the next."""
    model = tiny_qwen.model(family)
    together, alone = memories(3, model), memories(3, model)
    for seed in (0, 50):
        outcomes = take_together(arrivals(together, 9, seed))
        expected = [item.memory.take(item.picture, item.stamp) for item in arrivals(alone, 9, seed)]
        assert outcomes == expected
    assert any(isinstance(outcome, Compression) for outcome in outcomes)
    for one, other in zip(together, alone, strict=True):
        same(one, other)


def test_pictures_of_any_size_go_into_one_pass() -> None:
    together, alone = memories(2), memories(2)
    sizes = (tiny.pictures(1, side=64)[0], tiny.pictures(1, side=91)[0])
    stamp = FrameStamp(1)
    taken = zip(together, sizes, strict=True)
    assert take_together([Arrival(memory, it, stamp) for memory, it in taken]) == [None, None]
    for one, other, picture in zip(together, alone, sizes, strict=True):
        other.take(picture, stamp)
        same(one, other)


def test_a_gap_is_reported_before_the_frame_after_it() -> None:
    (memory,) = memories(1)
    items = [
        Arrival(memory, picture, FrameStamp(1000 * n), after_gap=n == 2)
        for n, picture in enumerate(tiny.pictures(4))
    ]
    assert take_together(items) == [None] * 4
    assert memory.coverage().gaps == ((1000, 2000),)


def test_a_bad_picture_affects_no_other() -> None:
    one, other = memories(2)
    bad = Arrival(one, torch.zeros((1, 5, 5), dtype=torch.uint8), FrameStamp(0))
    good = [Arrival(memory, tiny.pictures(1)[0], FrameStamp(1)) for memory in (one, other)]
    refused, *taken = take_together([bad, *good])
    assert isinstance(refused, InvalidInput)
    assert taken == [None, None]
    assert one.coverage().frames_seen == other.coverage().frames_seen == 1


@dataclass
class Limited:
    """The tiny model on a device with little memory, or with a fault."""

    most_tokens: int = 1 << 20
    spoil: Callable[[Tensor], None] = lambda hidden: None
    passes: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(tiny.model(), name)

    def forward(self, inputs: Tensor, packed: PackedPass) -> Tensor:
        self.passes += 1
        if len(inputs) > self.most_tokens:
            raise torch.OutOfMemoryError("no room")
        hidden = tiny.model().forward(inputs, packed)
        self.spoil(hidden)
        return hidden


def test_a_pass_without_room_is_tried_again_in_halves() -> None:
    model: Any = Limited()
    together, alone = memories(5, model), memories(5)
    model.most_tokens = 2 * tiny.model().layout.tokens
    retried: list[Exception] = []
    outcomes = take_together(arrivals(together, 3), on_retry=retried.append)
    assert outcomes == [None] * 15
    assert retried
    for item in arrivals(alone, 3):
        item.memory.take(item.picture, item.stamp)
    model.most_tokens = 1 << 20
    for one, other in zip(together, alone, strict=True):
        same(one, other)


def test_a_frame_that_does_not_fit_alone_is_refused_alone() -> None:
    """One is due for a compression and needs room for guidance; the other is not."""
    model: Any = Limited()
    due, other = memories(2, model, already=(7, 1))
    model.most_tokens = model.layout.tokens
    outcomes = take_together(arrivals([due, other], 1))
    assert isinstance(outcomes[0], torch.OutOfMemoryError)
    assert outcomes[1] is None
    model.most_tokens = 1 << 20
    assert isinstance(take_together(arrivals([due], 1))[0], Compression)
    assert due.coverage().frames_seen == 8


def test_a_step_that_cannot_begin_leaves_its_memory_unchanged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_room(prompt_tokens: Sequence[int], projections: Sequence[Projections]) -> None:
        raise torch.OutOfMemoryError("no room")

    (due,), (alone,) = memories(1, already=(7,)), memories(1, already=(7,))
    with monkeypatch.context() as patched:
        patched.setattr(due.cache, "guide", no_room)
        assert isinstance(take_together(arrivals([due], 1))[0], torch.OutOfMemoryError)
    for memory in (due, alone):
        assert isinstance(take_together(arrivals([memory], 1))[0], Compression)
    same(due, alone)


def test_only_the_frame_that_is_not_finite_is_refused() -> None:
    def spoil(hidden: Tensor) -> None:
        hidden[3] = float("nan")  # of the first memory's frame

    model: Any = Limited()
    one, other = memories(2, model)
    model.spoil = spoil
    outcomes = take_together(arrivals([one, other], 1))
    assert isinstance(outcomes[0], InvalidInput)
    assert outcomes[1] is None
    assert one.coverage().frames_seen == 0


def test_a_pass_gives_way_between_its_layers() -> None:
    """A question in the middle of a pass sees the memory as it was before it, in every layer."""
    (asked,), (before,) = memories(1, already=(9,)), memories(1, already=(9,))
    expected = before.ask(QUESTION, 5)
    heard: list[str] = []

    def between() -> None:
        heard.append(asked.ask(QUESTION, 5))

    taken = arrivals([asked], 2)
    take_together(taken, between)
    for item in arrivals([before], 2):
        before.take(item.picture, item.stamp)
    assert len(heard) > tiny.model().shape.layers  # in the tower, too
    assert set(heard) == {expected}
    same(asked, before)


def test_an_interrupted_pass_leaves_no_trace() -> None:
    class Stop(BaseException):
        pass

    calls = 0

    def between() -> None:
        nonlocal calls
        calls += 1
        if calls == 7:
            raise Stop

    together, alone = memories(2, already=(5, 6)), memories(2, already=(5, 6))
    with pytest.raises(Stop):
        take_together(arrivals(together, 1), between)
    for one, other in zip(together, alone, strict=True):
        same(one, other)


def test_models_of_all_families_can_be_interrupted_between_layers() -> None:
    models: list[VideoModel] = [tiny.model(), *map(tiny_qwen.model, tiny_qwen.FAMILIES)]
    for model in models:
        calls: list[None] = []
        pictures = tiny.pictures(model.pictures_per_frame, side=32)
        model.encode(pictures, lambda calls=calls: calls.append(None))  # type: ignore[misc]
        assert len(calls) > 1
        seen = len(calls)
        model.encode(pictures)
        assert len(calls) == seen
