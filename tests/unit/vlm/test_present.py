"""Pictures that wait for the others of their frame are shown to questions, and leave no trace."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from hermes.engine import snapshot
from hermes.memory import FrameStamp, PackedPass
from hermes.vlm import Arrival, Between, VideoMemory, take_together
from tests.support import tiny_qwen

QUESTION = "What is happening now?"


class Counting:
    """A model that counts what its tower encodes."""

    def __init__(self, family: str) -> None:
        self.inner: Any = tiny_qwen.model(family)
        self.encoded = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def encode(self, pictures: Any, between: Between | None = None) -> list[Tensor]:
        found: list[Tensor] = self.inner.encode(pictures, between)
        self.encoded += len(found)
        return found


@pytest.fixture(params=tiny_qwen.FAMILIES)
def model(request: pytest.FixtureRequest) -> Any:
    return Counting(request.param)


def memory(model: Any) -> VideoMemory:
    return VideoMemory(model, "sliding-window", budget=1000)


def pictures(model: Any, count: int) -> Tensor:
    return tiny_qwen.pictures(model.model_type, (count + 1) // 2)[:count]


@torch.inference_mode()
def logits(of: VideoMemory) -> Tensor:
    question = of.model.question(QUESTION)
    with of.branch(len(question)) as branch:
        inputs = branch.opened_by(question)
        row = branch.row(len(inputs))
        return of.model.logits(of.model.forward(inputs, PackedPass([row]))[-1])


@pytest.mark.parametrize("before", [0, 2, 4])
def test_a_waiting_picture_is_seen_as_if_it_were_repeated(model: Any, before: int) -> None:
    shown, repeated = memory(model), memory(model)
    own = pictures(model, before + 1)
    times = [1000 * at for at in range(before + 1)]
    shown.feed(own, times)
    repeated.feed(own, times)
    repeated.feed(own[-1:], times[-1:])
    assert torch.allclose(logits(shown), logits(repeated), atol=1e-5)
    assert shown.ask(QUESTION, 5) == repeated.ask(QUESTION, 5)


def test_it_is_encoded_once_for_all_questions_and_leaves_no_trace(model: Any) -> None:
    asked, quiet = memory(model), memory(model)
    own = pictures(model, 6)
    for one in (asked, quiet):
        one.feed(own[:3])
    before = model.encoded
    state = asked.state()
    first = logits(asked)
    assert torch.equal(logits(asked), first)
    assert model.encoded == before + 1
    assert asked.state().header == state.header
    for one in (asked, quiet):
        one.feed(own[3:])
    ours, theirs = asked.state(), quiet.state()
    assert ours.header == theirs.header
    for name, tensor in ours.tensors.items():
        assert torch.equal(tensor, theirs.tensors[name]), name


def test_an_answers_coverage_has_the_picture_that_it_saw(model: Any) -> None:
    one = memory(model)
    one.feed(pictures(model, 1), [5_000])
    assert one.coverage().frames_seen == 0
    with one.branch(1) as branch:
        coverage = branch.coverage
    assert (coverage.start_ms, coverage.end_ms, coverage.whole_since_ms) == (5_000, 5_000, 5_000)
    assert (coverage.frames, coverage.since_ms) == (1, 5_000)
    one.feed(pictures(model, 1), [6_000])
    one.feed(pictures(model, 1), [60_000], after_gap=True)
    with one.branch(1) as branch:
        assert branch.coverage.gaps == ((6_000, 60_000),)
        assert branch.coverage.end_ms == 60_000
    assert one.coverage().end_ms == 6_000


@pytest.mark.parametrize("together", [False, True])
def test_what_waits_before_a_gap_is_taken_in_by_itself(model: Any, together: bool) -> None:
    one, own = memory(model), pictures(model, 4)
    stamps = [FrameStamp(at) for at in (0, 1_000, 2_000, 90_000)]
    if together:
        given = zip(own, stamps, strict=True)
        items = [Arrival(one, it, stamp, stamp.capture_ms == 90_000) for it, stamp in given]
        assert take_together(items) == [None] * 4
    else:
        for picture, stamp in zip(own, stamps, strict=True):
            one.take(picture, stamp, after_gap=stamp.capture_ms == 90_000)
    assert [stamp.capture_ms for _, stamp in one.cache.stamps()] == [1_000, 2_000]
    with one.branch(1) as branch:
        assert branch.coverage.gaps == ((2_000, 90_000),)
    one.feed(own[:1], [91_000])
    assert one.coverage().gaps == ((2_000, 91_000),)


def test_during_a_pass_questions_see_what_they_saw_before(model: Any) -> None:
    """Never less: the first of a pair is in no memory while the pair is on its way there."""
    one, seen = memory(model), []
    own = pictures(model, 2)
    one.feed(own[:1], [0])
    expected = logits(one)
    take_together([Arrival(one, own[1], FrameStamp(1_000))], lambda: seen.append(logits(one)))
    assert len(seen) > one.model.shape.layers
    assert all(torch.allclose(found, expected, atol=1e-5) for found in seen)
    assert not torch.allclose(logits(one), expected, atol=1e-3)


def test_it_is_restored_with_its_time(model: Any) -> None:
    one, other = memory(model), memory(model)
    own = pictures(model, 4)
    one.feed(own[:3], [7_000, 8_000, 9_000])
    snapshot.restore(other, snapshot.encode(one.state()))
    assert torch.equal(logits(other), logits(one))
    for each in (one, other):
        each.feed(own[3:], [10_000])
    ours, theirs = one.state(), other.state()
    assert ours.header == theirs.header
    for name, tensor in ours.tensors.items():
        assert torch.equal(tensor, theirs.tensors[name]), name


def test_a_pair_that_was_cut_by_a_restore_is_the_same_pair() -> None:
    """Pictures of any size are resized once, whether they wait in a memory or in its snapshot."""
    from hermes.vlm import load

    own: Any = load(tiny_qwen.folder("qwen2_5_vl"))
    generator = torch.Generator().manual_seed(2)
    pair = torch.randint(0, 256, (2, 3, 500, 700), dtype=torch.uint8, generator=generator)
    whole, first, second = (VideoMemory(own, "sliding-window", budget=1000) for _ in range(3))
    whole.feed(pair)
    first.feed(pair[:1])
    snapshot.restore(second, snapshot.encode(first.state()))
    second.feed(pair[1:], [1_000])
    ours, theirs = whole.state(), second.state()
    assert ours.header == theirs.header
    for name, tensor in ours.tensors.items():
        assert torch.equal(tensor, theirs.tensors[name]), name


def test_the_first_row_has_the_frames_and_the_question(model: Any) -> None:
    one = memory(model)
    one.feed(pictures(model, 1))
    question = one.model.question(QUESTION)
    with one.branch(len(question) + 2) as branch:
        inputs = branch.opened_by(question)
        with pytest.raises(ValueError, match="the first row"):
            branch.row(len(inputs) - len(question))
        row = branch.row(len(inputs))
        assert not row.in_line
        before = branch.position
        branch.commit(row)
        assert branch.row(1).in_line
        assert branch.position == before + len(question)
