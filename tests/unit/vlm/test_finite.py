"""Numbers that are not finite enter no memory: their frame is refused, later ones are not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.baselines.frame_retrieval import FrameRetrieval
from hermes.errors import InvalidInput
from hermes.evaluation.last_frames import LastFrames
from hermes.memory import FrameStamp, PackedPass, StreamMemory
from hermes.memory.guidance import GuidanceRow
from hermes.vlm import Between, VideoMemory, VideoModel
from tests.support import tiny

QUESTION = "What is happening now?"
NAN, INFINITE = float("nan"), float("inf")
BAD = [NAN, INFINITE, -INFINITE]


@dataclass
class Faulty:
    """The tiny model, in which something goes wrong while `fault` says so."""

    fault: str = ""
    value: float = float("nan")
    seen: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(tiny.model(), name)

    @contextmanager
    def with_fault(self, fault: str, value: float) -> Iterator[None]:
        self.fault, self.value = fault, value
        yield
        self.fault = ""

    def encode(self, pictures: Sequence[Tensor], between: Between | None = None) -> list[Tensor]:
        features = tiny.model().encode(pictures)
        if self.fault == "features":
            features[0][3, 5] = self.value
        return features

    def forward(self, inputs: Tensor, packed: PackedPass) -> Tensor:
        rows = [_Faulty(row, self) if _of_frames(row) else row for row in packed.rows]
        hidden = tiny.model().forward(inputs, PackedPass(rows))
        if self.fault == "hidden" and any(_of_frames(row) for row in packed.rows):
            hidden[1, 2] = self.value
        return hidden


def _of_frames(row: object) -> bool:
    return bool(getattr(row, "layouts", ()))


@dataclass
class _Faulty:
    row: Any
    model: Faulty

    @property
    def tokens(self) -> int:
        return int(self.row.tokens)

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        if layer == 4 and self.model.fault == "key":
            key = key.clone()
            key[1, 2, 3] = self.model.value
        if layer == 4 and self.model.fault == "value":
            value = value.clone()
            value[0, 7, 1] = self.model.value
        out: Tensor = self.row.attend(layer, query, key, value, scale)
        # As if nothing had seen it: the memory looks at what was written itself.
        return out.nan_to_num(0.0, 0.0, 0.0)


def held(cache: StreamMemory) -> dict[str, Tensor]:
    return cache.state().tensors


FAULTS = ["features", "hidden", "key", "value"]


@pytest.mark.parametrize(
    ("fault", "value"),
    [
        pytest.param(fault, value, marks=() if value is quick else pytest.mark.slow)
        for fault, quick in zip(FAULTS, (*BAD, NAN), strict=True)
        for value in BAD
    ],
)
def test_a_frame_is_refused_before_memory_changed(fault: str, value: float) -> None:
    model: Any = Faulty()
    memory = VideoMemory(model, budget=96, compress_every_frames=3)
    memory.feed(tiny.pictures(8))
    before, coverage = held(memory.cache), memory.coverage()
    clock = (memory.cache.length, memory.cache.next_position)
    with model.with_fault(fault, value), pytest.raises(InvalidInput, match="not finite") as refused:
        memory.take(tiny.pictures(1, seed=7)[0], FrameStamp(8_000))
    assert refused.value.field == "frames"
    assert memory.coverage() == coverage
    assert (memory.cache.length, memory.cache.next_position) == clock
    after = held(memory.cache)
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    goes_on_as_if_nothing_had_been(memory)


def goes_on_as_if_nothing_had_been(memory: VideoMemory) -> None:
    quiet = VideoMemory(tiny.model(), budget=96, compress_every_frames=3)
    quiet.feed(tiny.pictures(8))
    for each in (memory, quiet):
        each.feed(tiny.pictures(7, seed=5))
    assert memory.cache.state().header == quiet.cache.state().header
    assert memory.ask(QUESTION, 5) == quiet.ask(QUESTION, 5)
    one, other = held(memory.cache), held(quiet.cache)
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


@pytest.mark.parametrize(
    "value", [pytest.param(value, marks=() if value is NAN else pytest.mark.slow) for value in BAD]
)
def test_guidance_is_checked_before_the_frame_is_committed(
    value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = VideoMemory(tiny.model(), budget=96, compress_every_frames=3)
    memory.feed(tiny.pictures(8))
    before, coverage = held(memory.cache), memory.coverage()
    plain = GuidanceRow.attend

    def broken(self: GuidanceRow, layer: int, *args: Any) -> Tensor:
        out = plain(self, layer, *args)
        self.attention[layer, 0] = value if layer == 6 else 0.1
        return out

    monkeypatch.setattr(GuidanceRow, "attend", broken)
    with pytest.raises(InvalidInput, match="not finite") as no:
        memory.feed(tiny.pictures(1, seed=7))
    monkeypatch.undo()
    assert no.value.field == "attention"
    assert memory.coverage() == coverage
    after = held(memory.cache)
    assert before.keys() == after.keys()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    goes_on_as_if_nothing_had_been(memory)


@pytest.mark.parametrize("fault", FAULTS)
def test_frame_retrieval_stores_no_frame_that_is_not_finite(fault: str) -> None:
    model: Any = Faulty()
    memory = FrameRetrieval(model, fetched_frames=3, window_frames=2)
    quiet = FrameRetrieval(tiny.model(), fetched_frames=3, window_frames=2)
    for each in (memory, quiet):
        each.feed(tiny.pictures(5))
    coverage, size = memory.coverage(), memory.host_bytes
    with model.with_fault(fault, torch.inf), pytest.raises(InvalidInput, match="frames: became"):
        memory.feed(tiny.pictures(1, seed=7))
    assert (memory.coverage(), memory.host_bytes, len(memory.cache.store)) == (coverage, size, 5)
    for each in (memory, quiet):
        each.feed(tiny.pictures(3, seed=5))
    assert memory.ask(QUESTION, 5) == quiet.ask(QUESTION, 5)


@pytest.mark.parametrize("fault", FAULTS)
def test_last_frames_refuse_questions_about_frames_that_are_not_finite(fault: str) -> None:
    """They are pictures until a question comes: the question is refused, the pictures stay."""
    model: Any = Faulty()
    memory = LastFrames(model, frames=3)
    memory.feed(tiny.pictures(5))
    coverage = memory.coverage()
    expected = memory.ask(QUESTION, 5)
    with model.with_fault(fault, torch.nan), pytest.raises(InvalidInput, match="frames: became"):
        memory.ask(QUESTION, 5)
    assert memory.coverage() == coverage
    assert memory.ask(QUESTION, 5) == expected


@pytest.mark.parametrize("make", [VideoMemory, LastFrames])
def test_a_prefix_that_is_not_finite_is_named(make: Any) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            return getattr(tiny.model(), name)

        def prefix(self) -> Tensor:
            return torch.full_like(tiny.model().prefix(), torch.nan)

    model: VideoModel = Broken()
    with pytest.raises(InvalidInput, match="prefix: became values that are not finite"):
        make(model).ask(QUESTION)
