"""An answer's likelihood with frames hidden is that on a memory without them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from hermes.memory import ChangeConfig, FrameStamp, PackedPass
from hermes.question import Span
from hermes.vlm import VideoMemory
from hermes.vlm.left_open import OpenToken
from hermes.vlm.weighing import logprobs_without
from tests.support import tiny
from tests.support.removed import RemainingRow
from tests.unit.vlm.test_span import FAMILIES, fed, memory_of
from tests.unit.vlm.test_taking_changes import stream

QUESTION = "What is happening now?"
ANSWER = [21, 22, 23, 24]


def expected_without(
    made: VideoMemory, inputs: Tensor, positions: Tensor, hidden: list[int]
) -> float:
    """Read on a memory without these frames. `inputs`: all but the last of the answer."""
    model: Any = made.model
    slab = made.cache.held.slab
    frames = slab.frames[:, : slab.length]
    remaining = ~torch.isin(frames, torch.tensor(hidden, dtype=torch.int64))
    row = RemainingRow(made, remaining, positions)
    with torch.inference_mode():
        states = model.forward(inputs, PackedPass([row]))[-len(ANSWER) :]
        scores = model.logits(states).log_softmax(-1)
    return float(scores[range(len(ANSWER)), ANSWER].sum())


@pytest.mark.parametrize("family", FAMILIES)
def test_hidden_frames_are_as_if_they_had_never_been_taken_in(family: str) -> None:
    """Several at once; and the branch, an answer's own, stays as it is."""
    made = fed(memory_of(family), tiny.pictures(12, seed=3))
    model = made.model
    question = model.question(QUESTION)
    inputs = torch.cat((question, model.embed(ANSWER[:-1])))
    hidden = [[], [10, 11], [7], list(range(12))]
    with made.branch(len(question) + 4) as branch, torch.inference_mode():
        row = branch.row(len(question))
        model.forward(question, PackedPass([row]))
        branch.commit(row)
        before = branch.keys[:, :, : branch.length].clone(), branch.length
        found = logprobs_without(model, branch, question, ANSWER, hidden)
        assert torch.equal(branch.keys[:, :, : branch.length], before[0])
        assert branch.length == before[1]
        positions = branch.positions(len(inputs), anew=True)
        assert branch.frames() == [number for number, _ in made.cache.stamps()]
    expected = [expected_without(made, inputs, positions, frames) for frames in hidden]
    assert found == pytest.approx(expected, abs=1e-3)
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("family", ["llava_onevision", "qwen2_5_vl", "qwen3_vl"])
def test_the_frame_that_opens_a_branch_can_be_hidden_too(family: str) -> None:
    """It is partly in memory as well, if only what changed is taken in."""
    made = fed(memory_of(family, changes=ChangeConfig()), stream([set(), {1}, {2}, {3}]))
    model = made.model
    question = model.question(QUESTION)
    inputs = torch.cat((question, model.embed(ANSWER[:-1])))
    with made.branch(len(question) + 4) as branch:
        opens = len(branch.opening_frames)
        assert set(branch.opening_frames) == {3}
        found = logprobs_without(model, branch, question, ANSWER, [[], [3], [0, 1, 2, 3]])
        positions = branch.positions(opens + len(inputs), anew=True)[:, opens:]
    expected = [expected_without(made, inputs, positions, gone) for gone in ([3], [0, 1, 2, 3])]
    assert found[1:] == pytest.approx(expected, abs=1e-3)
    assert found[0] != pytest.approx(found[1], abs=1e-3)


def test_a_picture_that_waits_for_its_pair_has_the_next_number() -> None:
    made = memory_of("qwen2_5_vl")
    for number, picture in enumerate(tiny.pictures(5, seed=3)):
        made.take(picture, FrameStamp(1000 * number))
    with made.branch(4) as branch:
        assert branch.frames() == [0, 1, 2]
        assert set(branch.opening_frames) == {2}
    assert made.stamp_of(2) == FrameStamp(4000)
    assert made.stamp_of(1) == FrameStamp(3000)
    assert made.stamp_of(3) is None


def test_in_a_span_only_its_frames_can_be_hidden() -> None:
    made = fed(memory_of("llava_onevision"), tiny.pictures(12, seed=3))
    question = made.model.question(QUESTION)
    with made.branch(len(question), Span(8_000, 10_000)) as branch:
        assert branch.frames() == [8, 9, 10]
        all_of_them, none = logprobs_without(
            made.model, branch, question, ANSWER, [[8, 9, 10], [3, 11]]
        )
        assert none != pytest.approx(all_of_them, abs=1e-3)
        (as_it_is,) = logprobs_without(made.model, branch, question, ANSWER, [[]])
        assert none == pytest.approx(as_it_is, abs=1e-5)


def test_an_answer_of_one_token() -> None:
    made = fed(memory_of("llava_onevision"), tiny.pictures(3, seed=3))
    question = made.model.question(QUESTION)
    with made.branch(len(question)) as branch:
        (found,) = logprobs_without(made.model, branch, question, ANSWER[:1], [[]])
        row = branch.row(len(question))
        with torch.inference_mode():
            hidden = made.model.forward(question, PackedPass([row]))
            scores = made.model.logits(hidden[-1]).log_softmax(-1)
    assert found == pytest.approx(float(scores[ANSWER[0]]), abs=1e-4)


def test_the_token_that_ends_an_answer_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    made = fed(memory_of("llava_onevision"), tiny.pictures(3, seed=3))
    model: Any = made.model
    question = model.question(QUESTION)
    with made.branch(len(question) + 4) as branch:
        text = logprobs_without(model, branch, question, ANSWER[:-1], [[], [1]])
        all_tokens = logprobs_without(model, branch, question, ANSWER, [[], [1]])
        ends = replace(model.decoding, end_ids=frozenset(ANSWER[-1:]))
        monkeypatch.setattr(model, "decoding", ends)
        ended = logprobs_without(model, branch, question, ANSWER, [[], [1]])
        nothing = logprobs_without(model, branch, question, ANSWER[-1:], [[]])
    assert ended == pytest.approx(text, abs=1e-4)
    assert ended != pytest.approx(all_tokens, abs=1e-3)
    assert nothing == [0.0]


def test_of_an_answer_with_a_grammar_only_what_it_left_open_counts() -> None:
    """As one of what could have come; where that is nearly anything, among all tokens."""
    made = fed(memory_of("llava_onevision"), tiny.pictures(3, seed=3))
    question = made.model.question(QUESTION)
    tokens = [OpenToken(1, 22, (5, 22, 30)), OpenToken(3, 9)]
    with made.branch(len(question) + 4) as branch, torch.inference_mode():
        found = logprobs_without(made.model, branch, question, ANSWER, [[], [1]], left_open=tokens)
        nothing = logprobs_without(made.model, branch, question, ANSWER, [[], [1]], left_open=[])
        row = branch.row(len(question) + 3)
        inputs = torch.cat((question, made.model.embed(ANSWER[:-1])))
        scores = made.model.logits(made.model.forward(inputs, PackedPass([row]))[-4:])
    expected = scores[1][[5, 22, 30]].log_softmax(-1)[1] + scores[3].log_softmax(-1)[9]
    assert found[0] == pytest.approx(float(expected), abs=1e-4)
    assert found[1] != pytest.approx(found[0], abs=1e-3)
    assert nothing == [0.0, 0.0]
