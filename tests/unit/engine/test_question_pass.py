"""A recorded pass says what a packed one says. Here it is not recorded, and its kernels are
interpreted; what is replayed on a GPU is the same computation.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from hermes.demo import checkpoint
from hermes.engine.question_pass import SIZES, QuestionPass
from hermes.memory import Branch, ChangeConfig
from hermes.memory.reading import NewReader
from hermes.question import Choices, Regex, Span
from hermes.sampling import GREEDY, Sampling
from hermes.vlm import ChosenToken, VideoMemory, VideoModel, load
from hermes.vlm.scoring import Scoring
from tests.support import tiny

REACH = 250
ROOM = 24


@pytest.fixture(scope="module")
def new_reader() -> NewReader:
    if "TRITON_INTERPRET" not in os.environ:
        pytest.skip("on a GPU kernels are not interpreted, and the tiny model is on the CPU")
    kernels = pytest.importorskip("hermes.memory.kernels")
    return partial(kernels.Reader, splits=1)


@pytest.fixture(
    scope="module",
    params=[pytest.param(None, marks=pytest.mark.slow), 1.5],
    ids=["no penalty", "penalty"],
)
def model(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> VideoModel:
    """The tiny model with two layers, because interpreted kernels are slow.

    With a penalty, which concerns the choice of tokens alone, with one layer.
    """
    layers = 2 if request.param is None else 1
    folder = checkpoint.build(tmp_path_factory.mktemp("model"), layers=layers)
    if request.param is not None:
        settings = folder / "generation_config.json"
        found = json.loads(settings.read_text()) | {"repetition_penalty": request.param}
        settings.write_text(json.dumps(found))
    return load(folder)


def memories(model: VideoModel) -> list[VideoMemory]:
    made = [VideoMemory(model, "sliding-window", budget=96) for _ in range(3)]
    for number, memory in enumerate(made):
        memory.feed(tiny.pictures(2 + number, seed=number))
    return made


MIXED = (GREEDY, Sampling(temperature=1.5, seed=4, logprobs=True), Sampling(logprobs=True))


def spoken(
    model: VideoModel,
    passes: QuestionPass,
    branches: Sequence[Branch],
    samplings: Sequence[Sampling] = (GREEDY,) * 3,
    logprobs: list[float | None] | None = None,
) -> list[list[int]]:
    """The three answers: two begin together, the third joins at their second token."""
    said: list[list[int]] = [[] for _ in branches]
    texts = ("What now?", "Who?", "Where is it?")
    inputs: list[Tensor] = [model.question(text) for text in texts]
    answers = [passes.choice.begin(*each) for each in zip(texts, samplings, strict=True)]
    for step in range(4):
        taking_part = [0, 1] if step == 0 else [0, 1, 2]
        rows = [branches[index].row(len(inputs[index])) for index in taking_part]
        found = passes.tokens(
            [inputs[index] for index in taking_part],
            rows,
            [answers[index] for index in taking_part],
        )
        for index, row, token in zip(taking_part, rows, found, strict=True):
            branches[index].commit(row)
            said[index].append(token.id)
            if logprobs is not None:
                logprobs.append(token.logprob)
            inputs[index] = model.embed([token.id])
    return said


@pytest.mark.parametrize("model", [None, 1.5], indirect=True, ids=["no penalty", "penalty"])
@torch.inference_mode()
def test_recorded_and_packed_passes_say_the_same(model: VideoModel, new_reader: NewReader) -> None:
    """One answer is greedy, one is drawn, one reports its tokens' log-probabilities."""
    plain, fixed = QuestionPass(model, REACH), QuestionPass(model, REACH, new_reader)
    found = []
    logprobs: list[list[float | None]] = [[], []]
    for passes, noted in zip((plain, fixed), logprobs, strict=True):
        branches = [memory.branch(ROOM) for memory in memories(model)]
        said = spoken(model, passes, branches, MIXED, noted)
        found.append((said, [branch.keys[:, :, : branch.length] for branch in branches]))
    (expected, keys), (said, its) = found
    assert fixed.sizes
    assert said == expected
    assert logprobs[0] == pytest.approx(logprobs[1], abs=1e-4)
    assert [each is None for each in logprobs[0]] == [True, False, *[True, False, False] * 3]
    for ours, other in zip(its, keys, strict=True):
        torch.testing.assert_close(ours, other, atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_answers_with_settings_of_their_own_leave_the_greedy_ones_as_they_are(
    model: VideoModel,
) -> None:
    expected = spoken(model, QuestionPass(model, REACH), [m.branch(ROOM) for m in memories(model)])
    mixed = spoken(
        model, QuestionPass(model, REACH), [m.branch(ROOM) for m in memories(model)], MIXED
    )
    assert [mixed[0], mixed[2]] == [expected[0], expected[2]]
    assert mixed[1] != expected[1]


@pytest.mark.slow
@pytest.mark.parametrize("model", [None], indirect=True, ids=["no penalty"])
@torch.inference_mode()
def test_questions_about_spans_are_recorded_beside_plain_ones(
    model: VideoModel, new_reader: NewReader
) -> None:
    found = []
    for reader in (None, new_reader):
        made = VideoMemory(model, budget=96, compress_every_frames=2)
        made.feed(tiny.pictures(12, seed=6))
        spans = (Span(0, 6_000), None, Span(9_000, 11_000))
        branches = [made.branch(ROOM, span) for span in spans]
        passes = QuestionPass(model, REACH, reader)
        said = spoken(model, passes, branches)
        assert passes.sizes or reader is None
        found.append((said, [branch.keys[:, :, : branch.length] for branch in branches]))
    (expected, keys), (said, its) = found
    assert said == expected
    for ours, other in zip(its, keys, strict=True):
        torch.testing.assert_close(ours, other, atol=1e-4, rtol=1e-4)


class Broken:
    """Readers that cannot be made for some sizes, or for any."""

    def __init__(self, make: NewReader | None = None, sizes: Sequence[int] = SIZES) -> None:
        self.tried: list[int] = []
        self._make = make
        self._sizes = sizes

    def __call__(self, tokens: int, *more: Any) -> Any:
        self.tried.append(tokens)
        if tokens in self._sizes or self._make is None:
            raise RuntimeError("this device knows no such thing")
        return self._make(tokens, *more)


@pytest.mark.parametrize("model", [1.5], indirect=True, ids=["penalty"])
@torch.inference_mode()
def test_a_question_that_begins_with_the_present_frame_is_recorded(
    model: VideoModel, new_reader: NewReader
) -> None:
    """The frame's positions follow one another, and the question's follow them."""
    readers = Broken(new_reader, [])
    found = []
    for passes in (QuestionPass(model, REACH), QuestionPass(model, REACH, readers)):
        memory = VideoMemory(model, budget=96, changes=ChangeConfig())
        memory.feed(tiny.pictures(1, seed=4).expand(3, -1, -1, -1))
        inputs = model.embed([20] * 4)
        with memory.branch(ROOM) as branch:
            inputs = branch.opened_by(inputs)
            assert len(inputs) == 4 + model.layout.tokens
            row = branch.row(len(inputs))
            (token,) = passes.tokens([inputs], [row], [passes.choice.begin("Who?")])
            branch.commit(row)
            found.append((token.id, branch.keys[:, :, : branch.length].clone()))
    (expected, keys), (said, own) = found
    assert said == expected
    torch.testing.assert_close(own, keys, atol=1e-4, rtol=1e-4)
    assert readers.tried == [32]


@torch.inference_mode()
def test_a_pass_that_cannot_be_recorded_is_packed(model: VideoModel) -> None:
    readers = Broken()
    broken = QuestionPass(model, REACH, readers)
    expected = spoken(model, QuestionPass(model, REACH), [m.branch(ROOM) for m in memories(model)])
    assert spoken(model, broken, [m.branch(ROOM) for m in memories(model)]) == expected
    before = len(readers.tried)
    assert spoken(model, broken, [m.branch(ROOM) for m in memories(model)]) == expected
    assert len(readers.tried) == before > 0  # it is not tried again and again


@torch.inference_mode()
def test_a_size_that_cannot_be_recorded_loses_that_size_alone(
    model: VideoModel, new_reader: NewReader, caplog: pytest.LogCaptureFixture
) -> None:
    """A pass over three tokens has size 4: it is packed, and the longer ones are recorded."""
    readers = Broken(new_reader, [4])
    broken = QuestionPass(model, REACH, readers)
    expected = spoken(model, QuestionPass(model, REACH), [m.branch(ROOM) for m in memories(model)])
    assert spoken(model, broken, [m.branch(ROOM) for m in memories(model)]) == expected
    assert readers.tried.count(4) == 1
    assert set(readers.tried) > {4}
    assert caplog.text.count("cannot be recorded") == 1


def test_longer_passes_are_packed(model: VideoModel, new_reader: NewReader) -> None:
    """A question of more tokens than any recorded pass has."""
    memory = memories(model)[0]
    inputs = model.embed([20] * (SIZES[-1] + 1))
    with torch.inference_mode(), memory.branch(len(inputs)) as branch:
        passes = QuestionPass(model, REACH, new_reader)
        answer = passes.choice.begin("What now?")
        assert len(passes.tokens([inputs], [branch.row(len(inputs))], [answer])) == 1
        assert not passes.sizes


@torch.inference_mode()
def test_an_answer_that_begins_with_a_frame_is_packed_once(
    model: VideoModel, new_reader: NewReader
) -> None:
    """Where the frame's positions differ from axis to axis; then there is only text. On one axis
    they follow one another, as those of text do, and all of it is recorded.
    """
    frame = model.encode(tiny.pictures(1, seed=9))[0], model.layout
    question, found = model.question("What now?"), []
    for reader in (None, new_reader):
        passes = QuestionPass(model, REACH, reader)
        said: list[int] = []
        branch = memories(model)[0].cache.branch(ROOM, [frame])
        inputs, answer = branch.opened_by(question), passes.choice.begin("What now?")
        for _ in range(3):
            row = branch.row(len(inputs))
            (token,) = passes.tokens([inputs], [row], [answer])
            branch.commit(row)
            said.append(token.id)
            inputs = model.embed([token.id])
        found.append((said, branch.keys[:, :, : branch.length]))
        recorded = [1] if model.shape.axes > 1 else [32, 1]
        assert passes.sizes == ([] if reader is None else recorded)
    (expected, keys), (tokens, own) = found
    assert tokens == expected
    torch.testing.assert_close(own, keys, atol=1e-4, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("model", [None], indirect=True, ids=["no penalty"])
@torch.inference_mode()
def test_forms_are_kept_beside_free_answers_in_recorded_passes(
    model: VideoModel, new_reader: NewReader
) -> None:
    """A question with choices, one with a regular expression, and one with neither."""
    found = []
    choices = model.forms.choices(Choices(("red", "a circle", "no")))
    for passes in (QuestionPass(model, REACH), QuestionPass(model, REACH, new_reader)):
        branches = [memory.branch(ROOM) for memory in memories(model)]
        scoring = Scoring(choices, 256)
        grammar = model.forms.grammar(Regex("(circle|square|star), (left|right)")).begin()
        free, held = passes.choice.begin("What?"), passes.choice.begin("Who?", grammar=grammar)
        inputs = [model.question("What?"), model.question("Who?")]
        asked, said, text = [model.question("Who?")], [], ""
        while not scoring.done:
            before = len(asked[0]) if asked else 0
            rows = [
                branches[0].row(len(inputs[0])),
                scoring.row(branches[1], before),
                branches[2].row(len(inputs[1])),
            ]
            scored = torch.cat([*asked, model.embed(scoring.ids)])
            token, values, kept = passes.outcomes(
                [inputs[0], scored, inputs[1]], rows, [free, scoring.wanted(before), held]
            )
            assert isinstance(token, ChosenToken)
            assert isinstance(values, list)
            assert isinstance(kept, ChosenToken)
            scoring.took(values)
            for branch, row in zip(branches, rows, strict=True):
                branch.commit(row)
            said.append(token.id)
            text += kept.text or ""
            inputs, asked = [model.embed([token.id]), model.embed([kept.id])], []
        found.append((said, text, [choice.logprob for choice in scoring.probabilities]))
        assert branches[1].length == len(model.question("Who?"))
    (expected, kept_text, logprobs), (tokens, its_text, its) = found
    assert (tokens, its_text) == (expected, kept_text)
    assert its_text in ("circle", "square", "star")
    assert its == pytest.approx(logprobs, abs=1e-4)
    assert passes.sizes
