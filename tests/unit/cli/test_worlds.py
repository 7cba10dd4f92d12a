"""The demo holds answers against the record."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hermes.demo.questions import KINDS, every
from hermes.demo.scenes import HELD_OUT, TRAINED
from services.cli.worlds import DURATION_S, World, make_worlds, questions_for, scene_at_rest


def answer(text: str, media_end_s: float | None = DURATION_S - 0.5) -> Any:
    now = datetime.now(UTC)
    return SimpleNamespace(
        text=text, coverage=SimpleNamespace(media_end_s=media_end_s, span=(now, now))
    )


@pytest.fixture(scope="module")
def world() -> World:
    return World("lobby", scene_at_rest("lobby", 1))


def test_right_is_right_and_wrong_is_wrong(world: World) -> None:
    for question in every(world.at(DURATION_S - 0.5)):
        assert world.judge(question.text, answer(question.answer)) == (True, question.answer)
        assert world.judge(question.text, answer("a purple elephant")) == (False, question.answer)
        spelt = question.text.lower().rstrip("?") + "  "
        assert world.judge(spelt, answer(question.answer.upper())) == (True, question.answer)


def test_answers_that_count_aloud_are_explained(world: World) -> None:
    """*How many stars came by? yellow, purple, three* is right, and looks wrong."""
    told = {q.kind: world.meaning(q.text, q.answer) for q in every(world.at(DURATION_S - 0.5))}
    assert told["came-by"].startswith("counted up by colour: ")
    assert not any(meaning for kind, meaning in told.items() if kind != "came-by")
    asked = "how many STARS came by"
    assert world.meaning(asked, "yellow, purple, white, three") == "counted up by colour: three"
    assert world.meaning(asked, "zero") == ""


def test_what_the_record_does_not_know(world: World) -> None:
    assert world.judge("Who is the mayor?", answer("nobody")) is None
    assert world.judge("What came first?", answer("a red circle", None)) is None


def test_an_answer_is_held_against_what_had_been_seen(world: World) -> None:
    """A memory that saw half of the film is right about that half."""
    early = [q for q in every(world.at(1.0)) if q.kind == "sign-now"]
    assert world.judge(early[0].text, answer(early[0].answer, 1.0)) == (True, early[0].answer)


def test_scenes_come_to_rest(world: World) -> None:
    assert all(world.scene.settled(58 + tenth / 10) for tenth in range(20))
    assert len(world.scene.actors) >= 4


@pytest.mark.parametrize("seed", range(1, 6))
def test_looks_are_those_that_the_model_was_trained_on(seed: int) -> None:
    world = World("dock", scene_at_rest("dock", seed))
    seen = {look for actor in world.scene.actors for look in actor.looks_until(DURATION_S)}
    assert seen <= set(TRAINED)
    asked = " ".join(question.text for question in questions_for(world, seed, now=9, past=9))
    assert not [look for look in HELD_OUT if f"{look.colour} {look.shape}" in asked]


def test_questions_of_both_tenses(world: World) -> None:
    chosen = questions_for(world, 1, now=1, past=2)
    assert [KINDS[question.kind][0] for question in chosen] == ["now", "past", "past"]
    assert len({question.kind for question in chosen}) == 3
    assert chosen == questions_for(world, 1, now=1, past=2)


def test_every_camera_has_a_film_of_its_own(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("services.cli.worlds.film", lambda scene, path: path.write_text(scene.name))
    worlds = make_worlds(("lobby", "dock"), 1, tmp_path)
    assert [world.camera for world in worlds] == ["lobby", "dock"]
    assert worlds[0].scene != worlds[1].scene
    assert {path.name for path in tmp_path.iterdir()} == {"lobby.mp4", "dock.mp4"}
