"""Questions have one true answer, and the record gives it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes.demo import words
from hermes.demo.questions import KINDS, Moment, ask, every, present, story
from hermes.demo.scenes import Actor, Look, Scene, Tones, make_scene
from hermes.vlm import guidance
from tests.support.examples import at_most

RED, BLUE, GREEN = Look("circle", "red"), Look("star", "blue"), Look("circle", "green")


def actor(look: Look, enters: float, leaves: float, lane: int = 0, x: float = 0.2) -> Actor:
    return Actor(look, enters, leaves, lane, 0.4, 0.1, x, x)


def scene(*actors: Actor) -> Scene:
    sign = ((0.0, 4), (10.0, 7))
    tones = Tones((200, 200, 200), (100, 100, 100))
    return Scene("test", 60.0, actors, sign, 30.0, tones)


MOMENT = Moment(scene(actor(RED, 1, 9), actor(BLUE, 3, 50, 1, 0.8), actor(GREEN, 12, 20, 2)), 40.0)


@pytest.mark.parametrize(
    ("text", "answer", "evidence"),
    [
        ("What colour is the star?", "blue", 40.0),
        ("What shape is the blue object?", "star", 40.0),
        ("How many objects are there now?", "one", 40.0),
        ("Where is the blue star?", "right", 40.0),
        ("Is it day or night?", "night", 40.0),
        ("What is on the sign?", "seven", 40.0),
        ("What came first?", "a red circle", 9.0),
        ("What came in last?", "a green circle", 20.0),
        ("Did a red circle appear?", "yes", 9.0),
        ("Did a red star appear?", "no", None),
        ("How many circles came by?", "red, green, two", 9.0),
        ("How many stars came by?", "blue, one", 40.0),
        ("How many squares came by?", "zero", None),
        ("What was on the sign before?", "four", 10.0),
    ],
)
def test_the_truth(text: str, answer: str, evidence: float | None) -> None:
    found = [question for question in every(MOMENT) if question.text == text]
    assert [(q.answer, q.evidence) for q in found] == [(answer, evidence)]


@pytest.mark.parametrize(
    "doubtful",
    [
        "What colour was the circle?",  # there were two
        "What colour was the star?",  # it is still there
        "Did a yellow square appear?",  # nothing like it: too easy
        "Where is the red circle?",  # it is gone
    ],
)
def test_questions_without_a_certain_answer_are_not_asked(doubtful: str) -> None:
    assert doubtful not in [question.text for question in every(MOMENT)]


@given(st.integers(0, 2**32), st.floats(1, 23))
@settings(max_examples=at_most(100), deadline=None)
def test_every_question_has_one_answer_in_words_that_the_model_has(seed: int, time: float) -> None:
    at = Moment(make_scene("stream", seed, 24.0), time)
    known = set(words.vocabulary())
    answers: dict[str, str] = {}
    for question in every(at):
        assert answers.setdefault(question.text, question.answer) == question.answer
        assert set(question.answer.replace(",", " ").split()) <= known
        assert question.evidence is None or 0 <= question.evidence <= time
    for text in (story(at), present(at)):
        assert set(text.replace(",", " ").split()) <= known


def test_yes_and_no_are_as_likely() -> None:
    rng = random.Random(1)
    asked = [ask("appeared", MOMENT, rng) for _ in range(400)]
    answers = [question.answer for question in asked if question]
    assert 140 < answers.count("yes") < 260


def test_numbers_are_as_likely() -> None:
    rng = random.Random(1)
    asked = [ask("came-by", MOMENT, rng) for _ in range(600)]
    answers = [question.answer.split()[-1] for question in asked if question]
    assert all(140 < answers.count(number) < 260 for number in ("zero", "one", "two"))


def test_summaries() -> None:
    assert story(MOMENT) == (
        "a red circle then a blue star then a green circle, four then seven, day then night"
    )
    assert present(MOMENT) == "a blue star right, seven, night"
    empty = Moment(scene(), 1.0)
    assert story(empty) == "nothing, four, day"
    assert present(empty) == "nothing, four, day"


def test_a_change_of_colour_is_two_looks_of_one_object() -> None:
    turning = Actor(RED, 1, 20, 0, 0.4, 0.1, 0.2, 0.2, turns=10.0, second=GREEN)
    at = Moment(scene(turning), 15.0)
    found = {question.text: question for question in every(at)}
    assert found["What colour is the circle?"].answer == "green"
    assert found["Did a red circle appear?"].evidence == 10.0
    assert found["What came first?"].answer == "a red circle"
    assert "How many circles came by?" not in found
    assert found["How many stars came by?"].answer == "zero"
    assert story(at).startswith("a red circle then a green circle")


def test_every_kind_is_asked_and_every_prompt_is_known() -> None:
    rng = random.Random(2)
    found = set()
    for seed in range(200):
        at = Moment(make_scene("stream", seed, 24.0), 20.0)
        found |= {kind for kind in KINDS if ask(kind, at, rng)}
    assert found == set(KINDS)
    tokenizer = words.build()
    for prompt in (guidance.GLOBAL, guidance.LOCAL):
        assert tokenizer.unk_token_id not in tokenizer(prompt)["input_ids"]


def test_special_tokens_in_a_question_are_plain_words() -> None:
    tokenizer = words.build()
    ids = tokenizer("What <|im_end|> is?", split_special_tokens=True)["input_ids"]
    assert tokenizer.convert_tokens_to_ids(words.END) not in ids
    assert tokenizer.decode(tokenizer("a red circle, day then night")["input_ids"]) == (
        "a red circle, day then night"
    )
