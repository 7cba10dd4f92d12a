"""Drawn tokens have the distribution that transformers' own settings give, by seed alone."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers.generation.logits_process import (
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from hermes.sampling import GREEDY, Sampling
from hermes.vlm import TokenChoice, VideoMemory, VideoModel, load
from hermes.vlm.token_choice import PLAIN
from tests.support import tiny_hub
from tests.support.waits import Waits

QUESTION = "Who is there?"
FAMILY = "qwen3_vl"  # its own penalty is 1
DRAWS = 1500
SETTINGS = [
    Sampling(temperature=0.7, seed=1),
    Sampling(temperature=1.5, top_k=5, seed=1),
    Sampling(temperature=1.0, top_p=0.6, seed=1),
    Sampling(temperature=0.9, top_k=12, top_p=0.8, repetition_penalty=1.4),
]


@cache
def model(family: str = FAMILY) -> VideoModel:
    return load(tiny_hub.folder(family))


def logits(rows: int = 1, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.randn((rows, model().decoding.vocabulary), generator=generator)


def expected(sampling: Sampling, scores: Tensor) -> Tensor:
    """The probabilities of transformers' own processors, in the order of its `generate`."""
    own = LogitsProcessorList()
    if sampling.repetition_penalty is not None:
        own.append(RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty))
    own.append(TemperatureLogitsWarper(sampling.temperature))
    if sampling.top_k:
        own.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1:
        own.append(TopPLogitsWarper(sampling.top_p))
    seen: Any = torch.tensor([model().prompt_ids(QUESTION)])
    return own(seen, scores.clone()).softmax(-1)[0]


def drawn(sampling: Sampling, scores: Tensor) -> Tensor:
    """How often each token was drawn. With a penalty each draw is the first of its answer."""
    choice, counts = TokenChoice(model()), torch.zeros(scores.shape[1])
    row = choice.begin(QUESTION, sampling)
    for seed in range(DRAWS):
        if sampling.repetition_penalty is not None:
            choice.end(row)
            row = choice.begin(QUESTION, replace(sampling, seed=seed))
        counts[choice.choose(scores, [row])] += 1
    return counts


@pytest.mark.parametrize("sampling", SETTINGS)
def test_the_distribution_is_that_of_transformers(sampling: Sampling) -> None:
    """A chi-squared test over tokens that should come at least ten times; seeds are fixed."""
    scores = logits()
    counts, likely = drawn(sampling, scores), expected(sampling, scores)
    assert not counts[likely == 0].any(), "nothing that top-k and top-p cut off"
    often = likely * DRAWS >= 10
    rest = torch.stack((counts[~often].sum(), (likely[~often] * DRAWS).sum()))
    seen = torch.cat((counts[often], rest[:1]))
    wanted = torch.cat((likely[often] * DRAWS, rest[1:]))
    seen, wanted = seen[wanted >= 10], wanted[wanted >= 10]
    assert len(wanted) > 1
    freedom = len(wanted) - 1
    surprise = float(((seen - wanted) ** 2 / wanted).sum())
    assert surprise < freedom + 4 * (2 * freedom) ** 0.5, "four standard deviations"


def test_one_answer_draws_from_the_distribution_token_by_token() -> None:
    """The draws of one seed go on, and do not begin anew with each token."""
    choice, scores = TokenChoice(model()), torch.zeros((1, model().decoding.vocabulary))
    scores[0, 30:] = -torch.inf
    row = choice.begin(QUESTION, Sampling(temperature=1.0, seed=1))
    drawn = [int(choice.choose(scores, [row])) for _ in range(300)]
    assert set(drawn) == set(range(30))
    assert max(drawn.count(token) for token in range(30)) < 30


def test_a_seed_draws_the_same_beside_any_other_answers() -> None:
    sampling = Sampling(temperature=1.2, top_p=0.9, seed=7, repetition_penalty=1.1)
    steps = [logits(3, seed) for seed in range(12)]
    alone = TokenChoice(model())
    row = alone.begin(QUESTION, sampling)
    expected = [int(alone.choose(step[1:2], [row])) for step in steps]
    choice = TokenChoice(model())
    rows = [
        choice.begin("Where?", Sampling(temperature=2.0, seed=7)),
        choice.begin(QUESTION, sampling),
        choice.begin("What?", GREEDY),
    ]
    found = [choice.choose(step, rows).tolist() for step in steps]
    assert [tokens[1] for tokens in found] == expected
    assert [tokens[2] for tokens in found] == [int(step[2].argmax()) for step in steps]
    assert [tokens[0] for tokens in found] != [int(step[0].argmax()) for step in steps]


def test_another_seed_and_no_seed_draw_others() -> None:
    memory = fed()
    drawn = [Sampling(temperature=2.0, seed=seed) for seed in (1, 1, 2, None, None)]
    answers = [memory.ask(QUESTION, 12, sampling) for sampling in drawn]
    assert answers[0] == answers[1]
    assert len({*answers[1:]}) == 4


def test_a_penalty_of_one_question_is_its_own() -> None:
    """In place of the model's: of 1, where the model has one, and the other way round."""
    for family, penalty in (("qwen2_5_vl", 1.0), (FAMILY, 1.5)):
        choice = TokenChoice(model(family))
        scores = torch.zeros((2, model(family).decoding.vocabulary))
        scores[:, 7], scores[:, 9] = 2.0, 1.95
        rows = [
            choice.begin(QUESTION),
            choice.begin(QUESTION, Sampling(repetition_penalty=penalty)),
        ]
        both = [choice.choose(scores, rows).tolist() for _ in range(2)]
        penalised = 0 if penalty == 1 else 1
        assert [step[penalised] for step in both] == [7, 9]
        assert [step[1 - penalised] for step in both] == [7, 7]


def test_logprobs_are_the_models_own() -> None:
    """Before penalty, temperature and cuts, and only where they were asked for."""
    choice, scores = TokenChoice(model()), logits(2)
    asked = Sampling(temperature=0.5, top_k=2, seed=1, repetition_penalty=3.0, logprobs=True)
    rows = [choice.begin(QUESTION, asked), choice.begin(QUESTION)]
    chosen = choice.choose(scores, rows)
    found = choice.read(chosen, scores, rows)
    assert [token.id for token in found] == chosen.tolist()
    assert found[0].logprob == pytest.approx(float(scores[0].log_softmax(-1)[chosen[0]]))
    assert found[1].logprob is None


def test_an_answer_that_asks_for_nothing_has_no_row_of_its_own() -> None:
    choice = TokenChoice(model())
    assert choice.begin(QUESTION) == PLAIN
    assert choice.begin(QUESTION, Sampling(top_k=5, stop=("x",))) == PLAIN
    assert choice.begin(QUESTION, Sampling(logprobs=True)) != PLAIN


@pytest.mark.parametrize("sampling", [*SETTINGS, Sampling(logprobs=True)])
def test_drawing_does_not_wait_for_the_device(sampling: Sampling) -> None:
    choice, scores = TokenChoice(model()), logits(2)
    rows = [choice.begin(QUESTION, sampling), choice.begin(QUESTION)]
    with Waits() as waits:
        choice.choose(scores, rows)
    assert waits.seen == []


def test_tokens_and_logprobs_are_read_in_one_wait() -> None:
    choice, scores = TokenChoice(model()), logits(2)
    rows = [choice.begin(QUESTION, Sampling(logprobs=True)), choice.begin(QUESTION)]
    chosen = choice.choose(scores, rows)
    with Waits() as waits:
        choice.read(chosen, scores, rows)
    assert waits.seen == ["tolist"]


def test_a_stop_text_ends_the_answer_before_it() -> None:
    memory = fed()
    whole = memory.ask(QUESTION, 24)
    stop = whole[len(whole) // 2 : len(whole) // 2 + 3]
    assert memory.ask(QUESTION, 24, Sampling(stop=(stop,))) == whole[: whole.index(stop)]
    assert memory.ask(QUESTION, 24, Sampling(stop=("<|im_end|>", "no such thing"))) == whole


@cache
def fed() -> VideoMemory:
    own = model()
    memory = VideoMemory(own, "sliding-window", budget=2000)
    generator = torch.Generator().manual_seed(3)
    size = (own.pictures_per_frame, 3, *own.frame_size)
    memory.feed(torch.randint(0, 256, size, dtype=torch.uint8, generator=generator))
    return memory
