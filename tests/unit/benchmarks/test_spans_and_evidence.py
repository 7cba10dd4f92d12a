"""The record of a span, and what a frame shows: on scenes, without a model."""

from __future__ import annotations

import pytest

from benchmarks.quality.evidence import Weighed, shows, table_of
from benchmarks.quality.score import Verdict
from benchmarks.quality.spans import KINDS_ASKED, asked, by_age, within
from benchmarks.quality.worlds import World, make_world
from hermes.demo.questions import Question
from hermes.demo.scenes import TRAINED


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(103, 60, looks=TRAINED)


def test_a_part_of_a_scene_shows_what_the_scene_does(world: World) -> None:
    start, end = 17.0, 41.0
    part, scene = within(world.scene, start, end), world.scene
    for second in range(int(end - start) + 1):
        now, then = second + start, float(second)
        assert [a.look_at(then) for a in part.visible(then)] == [
            a.look_at(now) for a in scene.visible(now)
        ]
        assert part.night(then) == scene.night(now)
        assert part.signs_until(then)[-1][1] == scene.signs_until(now)[-1][1]


def test_what_is_asked_about_a_span_has_another_answer_there(world: World) -> None:
    found = [q for start in (0, 18, 36) for q in asked(world, start, start + 23, 3)]
    assert found
    assert {question.kind for question in found} <= set(KINDS_ASKED)


def test_a_frame_shows_what_is_in_the_picture_then(world: World) -> None:
    actor = world.scene.came_by(world.end)[0]
    look = actor.look
    for frame in range(60):
        there = actor in world.scene.visible(float(frame))
        assert shows(world, Question("first", "What came first?", "", 0.0), frame) == there
        if there and actor.turns is None:
            text = f"Did a {look.colour} {look.shape} appear?"
            assert shows(world, Question("appeared", text, "yes", 0.0), frame)
            text = f"What colour was the {look.shape}?"
            assert shows(world, Question("colour-past", text, look.colour, 0.0), frame)


def test_the_tables_count_first_frames_and_invented_evidence() -> None:
    weighed = [
        Weighed("first", "a red star", (True, False), 0.5, 22),
        Weighed("first", "a red star", (), 0.1, 9),
        Weighed("appeared", "no", (False,), 0.0, 20),
        Weighed("appeared", "no", (), 0.0, 9),
    ]
    rows = table_of(weighed).split("\n")
    assert rows[2].startswith("| first | 2 | 50 (")
    assert "| answered no | 2 | - | - | 50 (" in rows[3]
    found = {"span": [Verdict("last", 0.0, True), Verdict("last", 5.0, False)]}
    assert by_age(found).split("\n")[0] == "| answers | all spans | ended 0 s ago | ended 5 s ago |"
