"""The demo's questions of other kinds are held against the record as well."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from hermes.client import in_file
from services.cli.kinds import SCHEMA, KindQuestion, one_of_each
from services.cli.worlds import DURATION_S, World, scene_at_rest


def answer(text: str, *seen: float | None) -> Any:
    frames = tuple(SimpleNamespace(media_s=media_s) for media_s in seen)
    return SimpleNamespace(text=text, evidence=SimpleNamespace(frames=frames))


@pytest.fixture(scope="module")
def world() -> World:
    return World("lobby", scene_at_rest("lobby", 1))


def find(world: World, option: str, seed: int = 1) -> KindQuestion:
    (found,) = [question for question in one_of_each(world, seed) if option in question.options]
    return found


def test_a_world_of_the_demo_has_all_four_kinds(world: World) -> None:
    options = [set(question.options) for question in one_of_each(world, 1)]
    assert options == [{"span"}, {"yes_no"}, {"json_schema"}, {"evidence"}]


@pytest.mark.parametrize("seed", range(1, 9))
def test_the_first_of_a_span_is_not_the_first_of_all(seed: int) -> None:
    world = World("dock", scene_at_rest("dock", seed))
    for question in one_of_each(world, seed):
        span = question.options.get("span")
        if span is None:
            continue
        assert not world.scene.visible(span.start_s)
        assert 0 < span.start_s < span.end_s < DURATION_S
        came = [a for a in world.scene.actors if span.start_s < a.enters < span.end_s]
        look = came[0].look
        assert question.truth == f"a {look.colour} {look.shape}"
        assert look != world.scene.actors[0].look
        assert question.right(answer(f"A {look.colour} {look.shape}."))
        assert not question.right(answer("nothing"))


def test_choices_and_json_are_compared_with_the_record(world: World) -> None:
    choice = find(world, "yes_no")
    other = {"yes": "no", "no": "yes"}[choice.truth]
    assert choice.right(answer(choice.truth))
    assert not choice.right(answer(other))
    structured = find(world, "json_schema")
    assert json.loads(structured.truth) in SCHEMA["enum"]
    assert structured.right(answer(structured.truth))
    assert not structured.right(answer(json.loads(structured.truth)))  # right words, but no JSON


def test_evidence_must_show_what_was_asked_about(world: World) -> None:
    first = world.scene.actors[0]
    question = find(world, "evidence")
    words = f"a {first.look.colour} {first.look.shape}"
    middle = (first.enters + first.leaves) / 2
    assert question.right(answer(words, middle, 55.0))
    assert not question.right(answer(words, 55.0, middle))
    assert not question.right(answer("a red bus", middle))
    assert not question.right(answer(words))
    assert not question.right(answer(words, None))
    assert find(world, "span").options["span"] != in_file(0, DURATION_S)
