"""Questions of all kinds, cancelled and with cameras that close: each ends once, and no memory is
read any more.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hermes.engine import Answer, AnswerResult, EngineConfig
from hermes.errors import CameraNotOwned, HermesError
from hermes.memory import SlabPool
from hermes.question import Choices, Question, Regex, Span
from hermes.vlm import VideoMemory, load
from tests.support import tiny
from tests.support.named_engine import NamedEngine
from tests.unit.engine.test_engine import Observer, wait, wait_for

CONFIG = EngineConfig(
    budget_tokens=96, compress_every_frames=3, max_cameras=6, max_question_tokens=400,
    max_answer_tokens=8, prefill_tokens=96, max_questions=200, max_camera_questions=200,
    max_wait_s=600,
)  # fmt: skip
DAY = Choices(("day", "night", "a white circle"))
PART = Span(0, 1000)


class Ends:
    """A sink that counts how often it was told of an end."""

    def __init__(self) -> None:
        self.ends: list[AnswerResult | HermesError] = []
        self.ended = threading.Event()

    def delta(self, text: str) -> None:
        assert not self.ends

    def done(self, result: AnswerResult) -> None:
        self._end(result)

    def failed(self, error: HermesError) -> None:
        self._end(error)

    def _end(self, outcome: AnswerResult | HermesError) -> None:
        self.ends.append(outcome)
        self.ended.set()

    @property
    def answered(self) -> bool:
        wait(self.ended)
        return len(self.ends) == 1 and isinstance(self.ends[0], AnswerResult)


class Rig(NamedEngine):
    """`began`: called on the device's thread whenever an answer begins. `pool`: of all memories."""

    def __init__(self) -> None:
        model: Any = load(tiny.folder())
        self.pool = SlabPool(model.shape)
        self.began: Callable[[], None] = lambda: None
        text_stream = model.text_stream

        def begins(**settings: Any) -> Any:
            began, self.began = self.began, lambda: None
            began()
            return text_stream(**settings)

        model.text_stream = begins
        super().__init__(model, CONFIG, Observer())

    def new_memory(self) -> VideoMemory:
        made = VideoMemory(self.model, budget=96, compress_every_frames=3, slabs=self.pool)
        made.feed(tiny.pictures(3))
        return made

    @property
    def reads(self) -> bool:
        """Whether a memory is read."""
        most, self.pool.most_read = self.pool.most_read, 1
        found = not self.pool.can_read
        self.pool.most_read = most
        return found

    def held_off(self) -> threading.Event:
        """The device's thread waits for this, so that it finds what follows together."""
        go_on = threading.Event()
        self.run(lambda: wait(go_on))
        return go_on


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    made = Rig()
    made.start()
    yield made
    made.stop()


def standing(rig: Rig, camera: str, *questions: Question) -> tuple[list[Answer], list[Ends]]:
    """Answers to standing questions that are asked at once, and their sinks."""
    sinks = [Ends() for _ in questions]
    asked = rig.handles[camera].ask_standing(list(zip(questions, sinks, strict=True)))
    answers = [one for one in asked if isinstance(one, Answer)]
    assert len(answers) == len(questions)
    return answers, sinks


WATCH = Question("Is it day?", form=DAY)


def test_a_camera_is_closed_while_a_pass_begins_with_another(rig: Rig) -> None:
    for camera in "ab":
        rig.open(camera)
    go_on = rig.held_off()
    _, (first,) = standing(rig, "a", WATCH)
    _, (second,) = standing(rig, "b", WATCH)
    rig.began = rig.handles["b"].close
    go_on.set()
    assert first.answered
    wait(second.ended)
    assert isinstance(second.ends[0], CameraNotOwned)
    assert rig.alive
    rig.close("a")
    wait_for(lambda: not rig.reads)


def test_a_question_is_cancelled_that_lost_its_room_to_another(rig: Rig) -> None:
    for camera in "ab":
        rig.open(camera)
    rig.pool.most_read = 1
    go_on = rig.held_off()
    _, (first,) = standing(rig, "a", WATCH)
    (cancelled, _), (_, second) = standing(rig, "b", WATCH, WATCH)
    rig.began = cancelled.cancel
    go_on.set()
    assert first.answered
    assert second.answered
    assert rig.alive
    rig.pool.most_read = None
    for camera in "ab":
        rig.close(camera)
    wait_for(lambda: not rig.reads)


def test_questions_about_a_span_and_about_all_wait_for_each_other(rig: Rig) -> None:
    """There is room for one: the memory, or an excerpt of it."""
    rig.open("a")
    rig.pool.most_read = 1
    part = Question("Is it day?", form=DAY, span=PART)
    for questions in ((part, WATCH, part, WATCH), (WATCH, part, WATCH, part)):
        _, sinks = standing(rig, "a", *questions)
        assert all(sink.answered for sink in sinks)
    rig.pool.most_read = None
    rig.close("a")
    wait_for(lambda: not rig.reads)


TEXTS = ("What now?", "Is it day?", "there " * 120, "Who is there? " * 80)


def some_question(chance: random.Random) -> Question:
    return Question(
        chance.choice(TEXTS),
        chance.randint(1, 5),
        form=chance.choice((None, None, DAY, Regex("[0-9]{1,3}"))),
        span=chance.choice((None, None, PART)),
        evidence=chance.choice((0, 0, 0, 1)),
    )


@pytest.mark.parametrize("seed", range(2))
def test_every_question_ends_once_and_nothing_is_read_any_more(rig: Rig, seed: int) -> None:
    chance = random.Random(seed)
    cameras = "abc"
    for camera in cameras:
        rig.open(camera)
    rig.pool.most_read = chance.choice((None, 2))
    kept: list[Ends] = []
    dropped: list[Ends] = []
    go_on = rig.held_off()
    for number in range(12):
        camera, sink = chance.choice(cameras), Ends()
        answer = rig.handles[camera].ask(
            some_question(chance), sink, standing=chance.random() < 0.5
        )
        cancelled = chance.random() < 0.3
        (dropped if cancelled else kept).append(sink)
        if cancelled and chance.random() < 0.5:
            rig.began = answer.cancel
        elif cancelled:
            answer.cancel()
        if number == 6:
            go_on.set()
    closed = chance.choice(cameras)
    rig.began = rig.handles[closed].close
    for sink in kept:
        wait(sink.ended)
    for camera in cameras:
        rig.close(camera)
    wait_for(lambda: rig.open_questions == 0 and not rig.reads)
    assert rig.alive
    assert [len(sink.ends) for sink in kept] == [1] * len(kept)
    assert all(len(sink.ends) <= 1 for sink in dropped)
    errors = [end for sink in kept for end in sink.ends if isinstance(end, HermesError)]
    assert all(isinstance(error, CameraNotOwned) for error in errors)
    rig.began = lambda: None
    rig.pool.most_read = None
