"""Choices have the probabilities that the model itself gives them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import exp, log
from typing import Any

import pytest
import torch
from torch import Tensor

from hermes.demo.checkpoint import WEIGHTS
from hermes.errors import InvalidInput
from hermes.memory import Branch
from hermes.question import Choices, Turn
from hermes.vlm import VideoMemory, load
from hermes.vlm.choice_tokens import ChoiceTokens
from hermes.vlm.scoring import Scoring
from tests.support import tiny, tiny_hub, tiny_qwen
from tests.support.slow import slow

QUESTION = "What is happening now?"
TEXTS = ("red", "yes", "The car is red.", "a white circle", "red car", "no")
FAMILIES = ("llava_onevision", *tiny_qwen.FAMILIES)


def stock(family: str) -> tuple[Any, Branch, Callable[[list[int]], Tensor]]:
    """A model, a branch of a memory, and the logits of the plain model for an answer."""
    if family == "llava_onevision":
        frames = tiny.pictures(3)
        held = tiny.memory()
        tiny.feed(held, frames)
        return tiny.model(), held.branch(200), lambda ids: tiny.plain_logits(frames, QUESTION, ids)
    model = tiny_qwen.model(family)
    frames = tiny_qwen.pictures(family, 4)
    held = tiny_qwen.memory(model)
    tiny_qwen.feed(model, held, frames)
    own = family != "qwen2_5_vl"
    return (
        model,
        held.branch(200),
        lambda ids: tiny_qwen.plain_logits(model, frames, QUESTION, ids, own_positions=own),
    )


def texts_for(family: str) -> tuple[str, ...]:
    known = ("red", "yes", "a white circle", "white", "the left sign", "no")
    return known if family == "llava_onevision" else TEXTS


@pytest.mark.parametrize(
    ("family", "most"),
    slow(product(FAMILIES, (256, 3)), *product(FAMILIES[:1] + FAMILIES[2:], (3,))),
)
def test_the_likelihoods_are_the_stock_models(family: str, most: int) -> None:
    """Of whole strings, teacher-forced, each in a pass of its own, with the answer's end."""
    model, branch, logits = stock(family)
    choices = model.forms.choices(Choices(texts_for(family)))
    scoring = Scoring(choices, most)
    assert (scoring.passes == 1) == (most == 256)
    with branch:
        scoring.run(model, branch, model.question(QUESTION))
    for found, ids in zip(scoring.probabilities, choices.ids, strict=True):
        scores = logits(list(ids)).log_softmax(-1)
        told = sum(float(scores[at, id]) for at, id in enumerate(ids))
        told += float(scores[-1, list(choices.end_ids)].logsumexp(0))
        assert found.logprob == pytest.approx(told, abs=1e-4)
        assert found.tokens == len(ids) + 1
    assert sum(choice.probability for choice in scoring.probabilities) == pytest.approx(1)


@pytest.mark.parametrize("family", tiny_hub.FAMILIES)
def test_a_choice_is_the_tokens_that_the_stock_template_would_have(family: str) -> None:
    """As it follows the prompt, and with the token that ends an answer there."""
    model: Any = load(tiny_hub.folder(family))
    tokenizer = model.tokenizer
    choices = model.forms.choices(Choices(TEXTS))
    (end,) = tokenizer("<|im_end|>")["input_ids"]
    assert end in choices.end_ids
    for text, ids in zip(TEXTS, choices.ids, strict=True):
        rendered = model.template.after + text + "<|im_end|>"
        assert tokenizer(rendered)["input_ids"] == [
            *tokenizer(model.template.after)["input_ids"],
            *ids,
            end,
        ]


def test_probabilities_are_likelihoods_where_the_lengths_are_equal() -> None:
    memory = VideoMemory(tiny.model(), "sliding-window", budget=500)
    memory.feed(tiny.pictures(2))
    found = memory.choose(QUESTION, ["yes", "no", "left"])
    whole = sum(exp(choice.logprob) for choice in found)
    for choice in found:
        assert choice.probability == pytest.approx(exp(choice.logprob) / whole)
    assert [choice.text for choice in found] == ["yes", "no", "left"]


def test_a_choice_is_not_less_probable_for_being_longer() -> None:
    """The log-probability of each is scaled from its own length to the mean length."""
    memory = VideoMemory(tiny.model(), "sliding-window", budget=500)
    memory.feed(tiny.pictures(2))
    one, two = memory.choose(QUESTION, ["yes", "a white circle"])
    assert (one.tokens, two.tokens) == (2, 4)
    odds = log(one.probability / two.probability)
    assert odds == pytest.approx(3 * (one.logprob / 2 - two.logprob / 4))


def test_the_answer_is_the_likeliest_choice_as_it_was_written() -> None:
    memory = VideoMemory(load(WEIGHTS), budget=192, compress_every_frames=4)
    memory.feed(tiny.pictures(3))
    texts = ("Yes", "No")
    found = memory.choose("Did a red circle appear?", texts)
    likeliest = max(found, key=lambda choice: choice.probability).text
    assert memory.ask("Did a red circle appear?", form=Choices(texts)) == likeliest


def test_turns_come_before_a_question_with_choices() -> None:
    memory = VideoMemory(tiny.model(), "sliding-window", budget=500)
    memory.feed(tiny.pictures(2))
    plain = memory.choose(QUESTION, ["yes", "no"])
    turned = memory.choose(QUESTION, ["yes", "no"], turns=[Turn("Is it day?", "no")])
    assert plain != turned


def test_scoring_leaves_the_memory_as_it_was() -> None:
    memory = VideoMemory(tiny.model(), "sliding-window", budget=500)
    memory.feed(tiny.pictures(2))
    before = memory.ask(QUESTION, 5)
    memory.choose(QUESTION, [f"{word} circle" for word in ("red", "blue", "green")])
    slab = memory.cache.held.slab
    assert (slab.readers, memory.ask(QUESTION, 5)) == (0, before)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (("Yes", "yes"), "'Yes' and 'yes' are the same tokens"),
        (("red", "\u200b\u2603"), "knows no tokens"),
        (("red", "a zebra"), "knows no tokens for 'a zebra'"),
        (("red", "<|im_end|>"), "knows no tokens for '<|im_end|>'"),
    ],
)
def test_choices_that_a_model_cannot_write_or_tell_apart_are_refused(
    texts: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message.replace("|", r"\|")) as caught:
        tiny.model().forms.choices(Choices(texts))
    assert caught.value.field == "question.choices"


def test_a_choice_that_is_longer_than_an_answer_may_be_is_refused() -> None:
    choices = tiny.model().forms.choices(Choices(("yes", "a white circle")))
    choices.check_length(4)
    with pytest.raises(InvalidInput, match="has 4 tokens with its end; at most 3"):
        choices.check_length(3)


@pytest.mark.parametrize("family", tiny_hub.FAMILIES)
def test_a_choice_cannot_become_a_control_token(family: str) -> None:
    model: Any = load(tiny_hub.folder(family))
    added = set(model.tokenizer.get_added_vocab().values())
    texts = [*tiny_hub.SPECIAL, *tiny_hub.NOT_SPECIAL]
    choices = model.forms.choices(Choices(tuple(texts)))
    for text, ids in zip(texts, choices.ids, strict=True):
        assert not added & set(ids)
        assert model.tokenizer.decode(ids) == text


def test_a_model_without_an_end_of_answers_scores_the_texts_alone() -> None:
    model = tiny.model()
    ids = model.forms.choices(Choices(("yes", "no"))).ids
    scoring = Scoring(ChoiceTokens(("yes", "no"), ids, ()), 256)
    held = tiny.memory()
    with held.branch(100) as branch:
        scoring.run(model, branch, model.question(QUESTION))
    assert [choice.tokens for choice in scoring.probabilities] == [1, 1]
    with torch.inference_mode():
        assert sum(choice.probability for choice in scoring.probabilities) == pytest.approx(1)
