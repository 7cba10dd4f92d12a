"""A question about a span is answered as from a memory without all other tokens."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from hermes.engine import snapshot
from hermes.errors import InvalidInput, SnapshotCorrupt
from hermes.memory import ChangeConfig, FrameStamp, MemoryState, PackedPass
from hermes.memory.frame_layout import FIRST_TEXT
from hermes.question import Span
from hermes.vlm import VideoMemory
from tests.support import tiny, tiny_qwen
from tests.support.removed import RemainingRow, logits_of, logits_on
from tests.unit.vlm.test_taking_changes import stream

QUESTION = "What is happening now?"
FAMILIES = ("llava_onevision", *tiny_qwen.FAMILIES)
STILL: list[set[int]] = [set(), {1}, {2}, set(), {1, 3}, set(), {5}, {2}, set(), {9}, {1}, set()]


def model_of(family: str) -> Any:
    return tiny.model() if family == "llava_onevision" else tiny_qwen.model(family)


def memory_of(family: str, *, changes: ChangeConfig | None = None, frames: int = 5) -> VideoMemory:
    model = model_of(family)
    return VideoMemory(
        model,
        budget=frames * (model.layout.tokens if changes is None else model.most_frame_tokens),
        compress_every_frames=2,
        changes=changes,
        present_frames=1,
    )


def fed(made: VideoMemory, pictures: Tensor) -> VideoMemory:
    """A picture a second; where frames are pairs, each is merged with itself."""
    for number, picture in enumerate(pictures):
        for _ in range(made.model.pictures_per_frame):
            made.take(picture, FrameStamp(1000 * number, 500 * number))
    return made


def within(made: VideoMemory, first: int, last: int) -> Tensor:
    """[layers, n] bool: the prefix, and the tokens of these frames."""
    slab = made.cache.held.slab
    frames = slab.frames[:, : slab.length]
    return (frames < 0) | ((frames >= first) & (frames <= last))


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_those_of_a_memory_without_the_other_tokens(family: str) -> None:
    """Spans long, short and open, with thinned frames and summaries among them."""
    made = fed(memory_of(family), tiny.pictures(14, seed=3))
    model, slab = made.model, made.cache.held.slab
    assert bool((slab.patches[:, : slab.length] == -1).any()), "there are summaries"
    question = model.question(QUESTION)
    counted = set()
    for span, first, last in (
        (Span(0, 6_000), 0, 6),
        (Span(5_500, 12_200), 6, 12),
        (Span(None, 4_000), 0, 4),
        (Span(13_000, None), 13, 13),
        (Span(3_000, 4_000, media=True), 6, 8),
    ):
        with made.branch(len(question), span) as branch:
            start = branch.position
            positions = torch.arange(start, start + len(question)).expand(model.shape.axes, -1)
            row = RemainingRow(made, within(made, first, last), positions)
            expected = logits_of(model, question, row)
            counted.add(tuple(branch.slab.counts.tolist()))  # type: ignore[union-attr]
            found = logits_on(branch, model, question)
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    assert any(len(set(counts)) > 1 for counts in counted), "layers hold different numbers"


def test_it_is_as_if_the_memory_had_been_restored_without_the_others() -> None:
    """Where all layers hold the same, such a memory can be made: from a state that has less."""
    made = VideoMemory(tiny.model(), "sliding-window", budget=160, compress_every_frames=3)
    fed(made, tiny.pictures(8, seed=5))
    state = made.state()
    frames = state.tensors["frames"][0]
    keep = ((frames < 0) | ((frames >= 3) & (frames <= 5))).nonzero().flatten()
    less = {
        name: tensor[..., keep, :] if name in ("keys", "values") else tensor[..., keep]
        for name, tensor in state.tensors.items()
        if name in ("keys", "values", "positions", "frames", "patches")
    }
    stamps = state.tensors["stamps"]
    less["stamps"] = stamps[(stamps[:, 0] >= 3) & (stamps[:, 0] <= 5)]
    tensors = {**state.tensors, **less}
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    newest = int(tensors["positions"].max())
    other = VideoMemory(tiny.model(), "sliding-window", budget=160, compress_every_frames=3)
    other.restore(
        MemoryState({**state.header, "length": len(keep), "clock_largest": newest}, tensors)
    )
    question = made.model.question(QUESTION)
    with made.branch(len(question), Span(3_000, 5_000)) as branch:
        found = logits_on(branch, made.model, question)
    with other.branch(len(question)) as branch:
        expected = logits_on(branch, made.model, question)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    assert made.ask(QUESTION, 6, span=Span(3_000, 5_000)) == other.ask(QUESTION, 6)


def taken_in(made: VideoMemory, pictures: Tensor) -> list[set[int]]:
    """Feed a picture a second. Which patches each frame was taken in with."""
    found = []
    for number, picture in enumerate(pictures):
        for _ in range(made.model.pictures_per_frame):
            made.take(picture, FrameStamp(1000 * number))
        frames, patches = made.cache.identities()
        found.append(set(patches[0][frames[0] == number].tolist()))
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_a_quiet_span_shows_what_stood_when_it_began(family: str) -> None:
    """Of a memory that takes in changes: of each place the token that was taken in last."""
    made = memory_of(family, changes=ChangeConfig(), frames=3)
    taken = taken_in(made, stream(STILL * 4))
    model, slab = made.model, made.cache.held.slab
    frames, patches = slab.frames[:, : slab.length], slab.patches[:, : slab.length]
    question = model.question(QUESTION)
    older = 0
    for first, last in ((3, 5), (20, 22), (33, 34), (40, 46)):
        stood: dict[int, int] = {}
        for number in range(first + 1):  # what the frame at the start took in anew is gone
            stood |= {patch: number for patch in taken[number] if patch < FIRST_TEXT}
        remaining = within(made, first, last)
        for layer in range(len(frames)):
            tokens = list(
                enumerate(zip(frames[layer].tolist(), patches[layer].tolist(), strict=True))
            )
            standing = [
                at
                for at, (n, patch) in tokens
                if n < first and patch >= 0 and stood.get(patch) == n
            ]
            with_picture = {int(frames[layer, at]) for at in standing}
            standing += [
                at
                for at, (n, patch) in tokens
                if 0 <= n < first and patch >= FIRST_TEXT and n in with_picture
            ]
            remaining[layer, standing] = True
            older += len(standing)
        with made.branch(len(question), Span(1000 * first, 1000 * last)) as branch:
            start = branch.position
            positions = torch.arange(start, start + len(question)).expand(model.shape.axes, -1)
            expected = logits_of(model, question, RemainingRow(made, remaining, positions))
            torch.testing.assert_close(
                logits_on(branch, model, question), expected, atol=1e-4, rtol=0
            )
    assert older > 20
    assert any(made.cache.held.slab.until[0, : slab.length].unique()[:-1]), "tokens were evicted"


def test_what_stood_is_known_after_a_snapshot_too() -> None:
    made = memory_of("llava_onevision", changes=ChangeConfig(), frames=3)
    fed(made, stream(STILL * 4))
    again = memory_of("llava_onevision", changes=ChangeConfig(), frames=3)
    snapshot.restore(again, snapshot.encode(made.state()))
    question, span = made.model.question(QUESTION), Span(38_000, 40_000)
    for one in (made, again):
        one.take(stream(STILL)[6], FrameStamp(99_000))
    found = []
    for one in (made, again):
        with one.branch(len(question), span) as branch:
            found.append((branch.coverage, branch.span, logits_on(branch, one.model, question)))
    assert found[0][:2] == found[1][:2]
    assert torch.equal(found[0][2], found[1][2])


@pytest.mark.parametrize(
    "fault", ["until too early", "until unknown", "beside held", "beside twice"]
)
def test_a_snapshot_whose_tokens_stood_until_frames_that_cannot_be_is_refused(fault: str) -> None:
    made = memory_of("llava_onevision", changes=ChangeConfig(), frames=3)
    state = fed(made, stream(STILL * 4)).state()
    tensors = {name: tensor.clone() for name, tensor in state.tensors.items()}
    beside, held = tensors["beside"], tensors["stamps"][0, :3]
    if fault == "until too early":
        tensors["until"][0, -1] = 3
    elif fault == "until unknown":
        tensors["beside"] = beside[:0]
    else:
        extra = held if fault == "beside held" else beside[-1]
        tensors["beside"] = torch.cat((beside, extra[None]))
    with pytest.raises(SnapshotCorrupt):
        made.restore(MemoryState(state.header, tensors))


@pytest.mark.parametrize("family", ["llava_onevision", "qwen2_5_vl"])
def test_a_snapshot_of_before_tells_nothing_of_what_stood(family: str) -> None:
    made = fed(memory_of(family, changes=ChangeConfig(), frames=3), stream(STILL))
    state = made.state()
    older = {n: t for n, t in state.tensors.items() if n not in ("until", "beside")}
    made.restore(MemoryState(state.header, older))
    assert made.ask(QUESTION, 2, span=Span(3_000, None))


def test_the_present_frame_opens_a_branch_only_if_it_is_within() -> None:
    made = fed(memory_of("llava_onevision", changes=ChangeConfig()), stream(STILL))
    question = made.model.question(QUESTION)
    for span, shown in ((Span(9_000, 11_000), True), (Span(9_000, 10_999), False)):
        with made.branch(len(question), span) as branch:
            assert (len(branch.opened_by(question)) > len(question)) == shown
    with made.branch(1, Span(11_000, None)) as branch:
        assert branch.coverage.frames == 1


def test_pictures_that_wait_for_their_pair_are_within_or_not() -> None:
    made = memory_of("qwen2_5_vl")
    pictures = tiny.pictures(5, seed=3)
    for number, picture in enumerate(pictures):
        made.take(picture, FrameStamp(1000 * number))
    question = made.model.question(QUESTION)
    with made.branch(len(question), Span(3_000, 4_000)) as branch:
        assert len(branch.opened_by(question)) > len(question)
        assert branch.span is not None
        assert (branch.span.frames, branch.span.whole_ms) == (2, 1_000)
        assert branch.coverage.end_ms == 4_000
    with made.branch(len(question), Span(1_000, 3_999)) as branch:
        assert len(branch.opened_by(question)) == len(question)
        assert branch.coverage.end_ms == 3_000
    with made.branch(len(question), Span(3_500, 4_000)) as branch:
        assert branch.seen == made.cache.prefix_length
    with pytest.raises(InvalidInput, match=r"after the newest frame, which .*:04"):
        made.branch(len(question), Span(4_001, None))


@pytest.mark.parametrize("family", ["llava_onevision", "qwen3_vl"])
@torch.inference_mode()
def test_several_spans_in_one_pass_while_frames_come_in(family: str) -> None:
    """Each answer is as it would be alone, on the memory as it was when its branch was opened."""
    made, alone = (fed(memory_of(family), tiny.pictures(9, seed=4)) for _ in range(2))
    model = made.model
    question = model.question(QUESTION)
    spans = (Span(0, 3_000), None, Span(5_000, 8_000), Span(8_000, None))
    branches = [made.branch(len(question) + 3, span) for span in spans]
    expected = [alone.branch(len(question) + 3, span) for span in spans]
    inputs = [question] * len(spans)
    for step in range(3):
        rows = [branch.row(len(own)) for branch, own in zip(branches, inputs, strict=True)]
        hidden = model.forward(torch.cat(inputs), PackedPass(rows))
        ends = torch.tensor([row.tokens for row in rows]).cumsum(0) - 1
        for branch, row in zip(branches, rows, strict=True):
            branch.commit(row)
        found = model.logits(hidden[ends])
        for own, other, logits in zip(inputs, expected, found, strict=True):
            torch.testing.assert_close(logits, logits_on(other, model, own), atol=1e-4, rtol=0)
        inputs = [model.embed([int(logits.argmax())]) for logits in found]
        fed(made, tiny.pictures(2, seed=step))
