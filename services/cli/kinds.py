"""The demo's questions of other kinds: about a span, with choices, in a schema, with evidence."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hermes.client import Answer, in_file
from hermes.demo.questions import Moment, Question, every, named
from hermes.demo.scenes import LOOKS, TRAINED, Actor
from services.cli.durations import shown_position
from services.cli.worlds import DURATION_S, STILL_S, World, plain_words

SCHEMA = {"enum": [named(look) for look in LOOKS]}
MARGIN_S = 1.5
"""Before the first object of a span nothing is in the picture, and after it no other comes."""
LEAST_S = 5.0
"""An object that was in the picture for less can be missed."""
_END_S = DURATION_S - STILL_S / 2


@dataclass(frozen=True, slots=True)
class KindQuestion:
    """A question of one kind. `options`: arguments of `HermesClient.ask`.

    `truth`: what the record says, for people. `right`: whether an answer agrees with it.
    """

    kind: str
    text: str
    options: Mapping[str, Any]
    truth: str
    right: Callable[[Answer], bool]


def one_of_each(world: World, seed: int) -> list[KindQuestion]:
    """A question of each kind that the world has a certain answer to."""
    rng = random.Random(f"kinds:{world.camera}:{seed}")  # noqa: S311 - a choice, not a secret
    makers = (_within_a_span, _with_choices, _in_a_schema, _with_evidence)
    found = [list(make(world)) for make in makers]
    return [rng.choice(questions) for questions in found if questions]


def _within_a_span(world: World) -> Iterator[KindQuestion]:
    """What came first, of those that came after a moment at which nothing was there."""
    first = world.scene.actors[0]
    for actor in world.scene.actors[1:]:
        start, end = actor.enters - MARGIN_S, actor.enters + LEAST_S
        clear = not world.scene.visible(start) and _alone(world, actor)
        if clear and actor.leaves >= end < _END_S and actor.look != first.look:
            truth = named(actor.look)
            yield KindQuestion(
                f"a span of time, {shown_position(start)} to {shown_position(end)}",
                "What came first?",
                {"span": in_file(start, end)},
                truth,
                _says(truth),
            )


def _with_choices(world: World) -> Iterator[KindQuestion]:
    for question in _known(world, "appeared"):
        yield KindQuestion(
            "choices, each with its probability",
            question.text,
            {"yes_no": True},
            question.answer,
            _says(question.answer),
        )


def _in_a_schema(world: World) -> Iterator[KindQuestion]:
    for question in _known(world, "last"):
        yield KindQuestion(
            "JSON that keeps a schema",
            question.text,
            {"json_schema": SCHEMA},
            json.dumps(question.answer),
            _is_json(question.answer),
        )


def _with_evidence(world: World) -> Iterator[KindQuestion]:
    first = world.scene.actors[0]
    for question in _known(world, "first"):
        if first.leaves - first.enters >= LEAST_S and first.turns is None:
            yield KindQuestion(
                "evidence, by hiding frames",
                question.text,
                {"evidence": 1},
                f"{question.answer}, seen from {shown_position(max(0.0, first.enters))}"
                f" to {shown_position(first.leaves)}",
                _rests_on(question.answer, first),
            )


def _known(world: World, kind: str) -> list[Question]:
    asked = every(Moment(world.scene, _END_S, TRAINED))
    return [question for question in asked if question.kind == kind]


def _alone(world: World, actor: Actor) -> bool:
    """Whether no other object comes soon after this one."""
    later = (other.enters - actor.enters for other in world.scene.actors if other is not actor)
    return not any(0 <= after < MARGIN_S for after in later)


def _says(truth: str) -> Callable[[Answer], bool]:
    return lambda answer: plain_words(answer.text) == plain_words(truth)


def _is_json(truth: str) -> Callable[[Answer], bool]:
    def right(answer: Answer) -> bool:
        try:
            return bool(json.loads(answer.text) == truth)
        except ValueError:
            return False

    return right


def _rests_on(truth: str, actor: Actor) -> Callable[[Answer], bool]:
    """Whether an answer is right, and its weightiest frame shows the object."""
    says = _says(truth)

    def right(answer: Answer) -> bool:
        frames = () if answer.evidence is None else answer.evidence.frames
        seen = frames[0].media_s if frames else None
        return says(answer) and seen is not None and actor.position(seen) is not None

    return right
