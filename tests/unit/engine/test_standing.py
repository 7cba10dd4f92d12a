"""Standing questions beside others: they give way, and find the same."""

from __future__ import annotations

import pytest

from hermes.engine import EngineConfig
from hermes.engine.giving_way import GivingWay
from hermes.question import Choices, Question
from tests.support import tiny
from tests.support.named_engine import NamedEngine
from tests.unit.engine.test_engine import Observer, Sink, batch, cursor_of, wait_for


def test_a_pass_counts_its_own_time_alone() -> None:
    now = [0.0]
    asked: list[tuple[float, int]] = []

    def give_way(done: float, given: int) -> bool:
        asked.append((done, given))
        now[0] += 5.0 if given < 2 else 0.0
        return given < 2

    made = GivingWay(4, give_way, lambda: now[0])
    for _ in range(4):
        now[0] += 1.0
        made()
    assert made.seconds == 4.0
    assert asked == [(0.25, 0), (0.25, 1), (0.25, 2), (0.5, 2), (0.75, 2), (1.0, 2)]


def test_standing_questions_find_the_same_whatever_else_is_asked() -> None:
    config = EngineConfig(
        budget_tokens=160, compress_every_frames=4, max_cameras=4, max_pending_frames=16,
        max_questions=40, max_camera_questions=40, max_question_tokens=64, max_answer_tokens=40,
    )  # fmt: skip
    engine = NamedEngine(tiny.model(), config, Observer())
    engine.start()
    try:
        for camera in "ab":
            engine.open(camera)
            engine.offer(camera, batch(1))
        wait_for(lambda: all(cursor_of(engine, camera) == "000001" for camera in "ab"))
        alone = [found(standing(engine, camera)) for camera in "ab"]
        others, again = [], []
        for _ in range(6):
            again += [(camera, standing(engine, camera)) for camera in "ab"]
            for camera in "ab":
                others.append(Sink())
                engine.ask(camera, "What now?", others[-1], max_tokens=3)
        for camera, sink in again:
            assert found(sink) == pytest.approx(alone["ab".index(camera)], abs=1e-4)
        for other in others:
            assert other.ended.wait(20)
            assert other.error is None
    finally:
        engine.stop()


def standing(engine: NamedEngine, camera: str) -> Sink:
    sink = Sink()
    question = Question("Is it day or night?", form=Choices(("day", "night")))
    engine.handles[camera].ask(question, sink, standing=True)
    return sink


def found(sink: Sink) -> list[float]:
    assert sink.ended.wait(20)
    assert sink.result is not None
    return [choice.probability for choice in sink.result.choices]
