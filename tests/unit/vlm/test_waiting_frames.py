"""Waiting frames of one camera in one pass: the memory is that of one frame after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hermes.errors import InvalidInput
from hermes.memory import ChangeConfig, Compression, FrameStamp, MemoryConfig, PackedPass
from hermes.vlm import Arrival, VideoMemory, take_together
from hermes.vlm.frame_pass import Outcome
from tests.support import tiny, tiny_qwen
from tests.unit.vlm.test_taking_changes import model_of, stream

FAMILIES = ("llava_onevision", *tiny_qwen.FAMILIES)
CHANGES = ChangeConfig(refresh_s=20)
ALONE = replace(CHANGES, around=0)
"""Only what changed is taken in, not what is beside it: so few tokens fill the budget late."""


def memory(
    model: Any, frames: int = 4, every: int = 3, changes: ChangeConfig | None = CHANGES
) -> VideoMemory:
    budget = frames * model.most_frame_tokens
    return VideoMemory(model, budget=budget, compress_every_frames=every, changes=changes)


def arrivals(of: VideoMemory, pictures: Tensor, gaps: Sequence[int] = ()) -> list[Arrival]:
    return [
        Arrival(of, picture, FrameStamp(500 * at + 7 * (at % 3)), after_gap=at in gaps)
        for at, picture in enumerate(pictures)
    ]


def taken_one_by_one(items: Sequence[Arrival]) -> list[Outcome]:
    return [it.memory.take(it.picture, it.stamp, after_gap=it.after_gap) for it in items]


def same(one: VideoMemory, other: VideoMemory) -> None:
    """Both hold the same tokens, stamps and picture, and would go on alike."""
    a, b = one.state(), other.state()
    assert a.header == b.header
    assert a.tensors.keys() == b.tensors.keys()
    for name, tensor in a.tensors.items():
        torch.testing.assert_close(tensor, b.tensors[name], rtol=1e-4, atol=1e-4)
    assert one.coverage() == other.coverage()
    assert one.cache.stamps() == other.cache.stamps()
    assert one.cache.taken() == other.cache.taken()
    assert one.intake == other.intake


cells = st.one_of(
    st.sets(st.integers(0, 15), max_size=3),
    st.sets(st.integers(0, 15), max_size=12),
    st.just(set(range(16))),
)


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=4, deadline=None)
@given(data=st.data())
def test_waiting_frames_equal_one_after_another(family: str, data: st.DataObject) -> None:
    """However many wait, whatever is new in them, wherever compressions and gaps are."""
    model = model_of(family)
    script = data.draw(st.lists(cells, min_size=2, max_size=16), label="cells that change")
    frames, every = data.draw(st.tuples(st.integers(3, 5), st.integers(1, 6)), label="limits")
    changes = data.draw(st.sampled_from([CHANGES, CHANGES, None]), label="changes")
    gaps = data.draw(st.sets(st.integers(1, 15), max_size=2), label="gaps")
    ends = data.draw(st.sets(st.integers(1, 15), max_size=3), label="where chunks end")
    pictures = stream(script)
    if data.draw(st.booleans(), label="pairs"):
        pictures = pictures.repeat_interleave(model.pictures_per_frame, dim=0)
    together, alone = (memory(model, frames, every, changes) for _ in range(2))
    items, outcomes = arrivals(together, pictures, sorted(gaps)), []
    for start, end in zip([0, *sorted(ends)], [*sorted(ends), len(items)], strict=True):
        outcomes += take_together(items[start:end])
    expected = taken_one_by_one(arrivals(alone, pictures, sorted(gaps)))
    for at, pair in enumerate(zip(outcomes, expected, strict=True)):
        # A picture after a gap can complete two frames, of which `take` reports the second.
        assert at in gaps or pair[0] == pair[1]
    same(together, alone)


def test_times_near_the_end_of_positions_are_those_of_one_after_another() -> None:
    """Long times between frames are shortened to the positions that are left."""
    model = model_of("qwen2_5_vl")
    most = model.most_frame_tokens
    made = [
        VideoMemory(
            model,
            config=MemoryConfig(4 * most, 4 * most, 700, 100),
            compress_every_frames=4,
            changes=CHANGES,
        )
        for _ in range(2)
    ]
    pictures = stream([set(), *({at % 16} for at in range(1, 24))])
    items = [
        [Arrival(one, picture, FrameStamp(40_000 * at)) for at, picture in enumerate(pictures)]
        for one in made
    ]
    assert take_together(items[0]) == taken_one_by_one(items[1])
    same(*made)


@dataclass
class Watched:
    """The tiny model, which notes how many tokens each pass has, and has faults."""

    passes: list[int] = field(default_factory=list)
    most_tokens: int = 1 << 20
    blind_to: Tensor | None = None
    unreadable: Tensor | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(tiny.model(), name)

    __hash__ = object.__hash__

    def encode(self, pictures: Sequence[Tensor], between: Any = None) -> list[Tensor]:
        if any(self.unreadable is not None and torch.equal(p, self.unreadable) for p in pictures):
            raise RuntimeError("the tower cannot read it")
        found = tiny.model().encode(pictures, between)
        for picture, features in zip(pictures, found, strict=True):
            if self.blind_to is not None and torch.equal(picture, self.blind_to):
                features.fill_(float("nan"))
        return found

    def forward(self, inputs: Tensor, packed: PackedPass) -> Tensor:
        if len(inputs) > self.most_tokens:
            raise torch.OutOfMemoryError("no room")
        self.passes.append(len(inputs))
        return tiny.model().forward(inputs, packed)


SCRIPT = [set(), *({at % 16, (3 * at) % 16} for at in range(1, 12))]


def test_one_pass_takes_the_new_tokens_of_all_waiting_frames() -> None:
    model = Watched()
    made = memory(model, frames=8, every=12, changes=ALONE)
    take_together(arrivals(made, stream(SCRIPT)))
    _, *passes = model.passes
    assert passes == [made.intake.taken]
    assert made.intake.frames == len(SCRIPT)
    assert made.intake.taken < 16 + 3 * len(SCRIPT)


def test_a_pass_ends_where_a_compression_is_due() -> None:
    model, script = Watched(), [{at} if at % 3 else set(range(16)) for at in range(16)]
    made, alone = memory(model, 3, every=4), memory(tiny.model(), 3, every=4)
    outcomes = take_together(arrivals(made, stream(script)))
    assert outcomes == taken_one_by_one(arrivals(alone, stream(script)))
    compressions = sum(isinstance(outcome, Compression) for outcome in outcomes)
    assert compressions >= 1
    _, *passes = model.passes
    assert len(passes) <= len(script) // 4 + compressions, "the tower reads four frames at once"


@pytest.mark.parametrize("changes", [CHANGES, None])
@pytest.mark.parametrize("fault", ["blind_to", "unreadable"])
@pytest.mark.parametrize("bad", [0, 5])
def test_a_frame_that_fails_among_others_hurts_itself_alone(
    bad: int, fault: str, changes: ChangeConfig | None
) -> None:
    pictures, model, retried = stream(SCRIPT), Watched(), list[Exception]()
    setattr(model, fault, pictures[bad])
    together, alone = memory(model, 6, 8, changes), memory(model, 6, 8, changes)
    outcomes = take_together(arrivals(together, pictures), on_retry=retried.append)
    assert retried, "the frames of the pass are tried again in halves"
    assert [at for at, found in enumerate(outcomes) if isinstance(found, Exception)] == [bad]
    others = arrivals(alone, pictures)
    with pytest.raises(InvalidInput if fault == "blind_to" else RuntimeError):
        taken_one_by_one(others[bad : bad + 1])
    assert [out for at, out in enumerate(outcomes) if at != bad] == taken_one_by_one(
        [it for at, it in enumerate(others) if at != bad]
    )
    same(together, alone)
    assert together.coverage().frames_seen == len(SCRIPT) - 1


def test_a_pass_without_room_is_tried_again_with_fewer_frames() -> None:
    model, retried = Watched(), list[Exception]()
    together, alone = memory(model, frames=8, every=12), memory(tiny.model(), frames=8, every=12)
    model.most_tokens = 20
    outcomes = take_together(arrivals(together, stream(SCRIPT)), on_retry=retried.append)
    assert outcomes == taken_one_by_one(arrivals(alone, stream(SCRIPT)))
    assert retried
    model.most_tokens = 1 << 20
    same(together, alone)


def test_a_compression_that_fails_takes_no_frame_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    made = memory(tiny.model(), frames=3, every=2)

    def no_room() -> None:
        raise torch.OutOfMemoryError("no room")

    with monkeypatch.context() as patched:
        patched.setattr(made.cache, "compress", no_room)
        outcomes = take_together(arrivals(made, stream([set(), set(range(16))])))
    assert outcomes[0] is None
    assert isinstance(outcomes[1], torch.OutOfMemoryError)
    assert made.coverage().frames_seen == 2


def test_a_question_between_two_passes_sees_whole_frames() -> None:
    """Each pass ends at the border of a frame, and a question sees what it left."""
    made = memory(tiny.model(), frames=3, every=2, changes=ALONE)
    pictures, seen = stream([set(), *([set(range(16))] * 7)]), set[int]()

    def between() -> None:
        seen.add(made.coverage().frames_seen)
        made.ask("What is there?", 1)

    take_together(arrivals(made, pictures), between)
    assert seen == {0, 2, 4, 6}


def test_a_threshold_of_0_takes_the_same_as_full_ingest_in_one_pass() -> None:
    changed = memory(tiny.model(), 4, 6, replace(CHANGES, threshold=0.0))
    limits = replace(changed.cache.config, keep_present=False)
    full = VideoMemory(tiny.model(), config=limits, compress_every_frames=6)
    for one in (changed, full):
        take_together(arrivals(one, stream(SCRIPT)))
    a, b = changed.state().tensors, full.state().tensors
    for name in ("keys", "values", "positions", "frames", "patches"):
        assert torch.equal(a[name], b[name]), name
