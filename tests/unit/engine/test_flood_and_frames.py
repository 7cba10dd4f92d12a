"""Frames are taken in however many questions one caller asks, and others are answered meanwhile."""

from __future__ import annotations

import itertools
from functools import partial

from hermes.engine import AnswerResult, EngineConfig
from hermes.engine.crowd import MANY
from hermes.engine.open_questions import OpenQuestions
from hermes.question import Question
from tests.support import tiny
from tests.support.named_engine import NamedEngine
from tests.unit.engine.test_engine import Observer, Sink, batch, cursor_of, wait, wait_for
from tests.unit.engine.test_prefill import asked

STEP_S = 0.01
FRAMES = 6


def test_callers_that_have_few_questions_open_are_counted_apart() -> None:
    questions = OpenQuestions()
    flood = [asked(0, caller="flood") for _ in range(MANY + 1)]
    few = [asked(0, caller="quiet") for _ in range(MANY)]
    reading = asked(9, caller="other")
    questions.under_way += [*flood, *few, reading]
    assert questions.asked() == (1, 2 * MANY + 2)
    assert questions.asked(by_few=True) == (1, MANY + 1)
    reading.caller = "flood"
    assert questions.asked(by_few=True) == (0, MANY)


class Again(Sink):
    """Asks again as soon as it is answered."""

    def __init__(self, engine: NamedEngine) -> None:
        super().__init__()
        self._engine = engine
        self.stop = False
        self.ask()

    def ask(self) -> None:
        question = Question("What was there to be seen before?", 4)
        self._engine.handles["asked"].ask(question, self, caller="flood")

    def done(self, result: AnswerResult) -> None:
        if not self.stop:
            self.ask()


def has_taken(engine: NamedEngine, cursor: str) -> bool:
    return cursor_of(engine, "sends") == cursor


def test_a_flood_of_questions_leaves_half_of_the_device_to_frames() -> None:
    """The clock goes on by the same time whenever it is read, as often as passes run."""
    config = EngineConfig(
        budget_tokens=160, compress_every_frames=4, max_cameras=2, max_question_tokens=64,
        max_answer_tokens=40, max_wait_s=1e9,
    )  # fmt: skip
    ticks = itertools.count()
    engine = NamedEngine(tiny.model(), config, Observer(), clock=lambda: STEP_S * next(ticks))
    for camera in ("asked", "sends"):
        engine.open(camera)
    engine.start()
    try:
        first = Sink()
        engine.handles["asked"].ask(Question("What?", 1), first, caller="quiet")
        wait(first.ended)
        flood = [Again(engine) for _ in range(20)]
        wait_for(lambda: sum(one.deltas for one in flood) > 400)  # it had its share
        before = sum(one.deltas for one in flood)
        for seed in range(FRAMES):
            engine.offer("sends", batch(seed))
            wait_for(partial(has_taken, engine, f"{seed:06}"))
        assert sum(one.deltas for one in flood) - before < 100 * FRAMES
        quiet = Sink()
        engine.handles["asked"].ask(Question("What now?", 2), quiet, caller="quiet")
        wait(quiet.ended)
        assert quiet.error is None
        for one in flood:
            one.stop = True
    finally:
        engine.stop()
