"""A device has room to read so many memories at once: further questions wait, and not for ever."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hermes.engine import EngineConfig
from hermes.engine.answer import Answer
from hermes.engine.ready_questions import ReadyQuestions
from hermes.engine.session import Session
from hermes.errors import Overloaded
from hermes.memory import SlabPool
from hermes.question import Question, Span
from hermes.vlm import VideoMemory
from tests.support import tiny
from tests.support.named_engine import NamedEngine
from tests.unit.engine.test_engine import Observer, Sink, wait

CONFIG = EngineConfig(
    budget_tokens=96, compress_every_frames=3, max_cameras=4, max_question_tokens=64,
    max_answer_tokens=40,
)  # fmt: skip


class Cramped(NamedEngine):
    """An engine whose device has room to read one memory."""

    pool = SlabPool(tiny.model().shape)

    def new_memory(self) -> VideoMemory:
        self.pool.most_read = 1
        made = VideoMemory(self.model, budget=96, compress_every_frames=3, slabs=self.pool)
        made.feed(tiny.pictures(3))
        return made


@pytest.fixture
def engine() -> Iterator[NamedEngine]:
    made = Cramped(tiny.model(), CONFIG, Observer())
    made.start()
    yield made
    made.stop()


def test_questions_about_more_memories_than_can_be_read_are_answered_in_turn(
    engine: NamedEngine,
) -> None:
    sinks = [Sink() for _ in range(6)]
    for name in "abc":
        engine.open(name)
    for number, sink in enumerate(sinks):
        engine.ask("abc"[number % 3], "What now?", sink, max_tokens=4)
    for sink in sinks:
        wait(sink.ended)
        assert sink.error is None
        assert sink.result is not None


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def session(pool: SlabPool) -> Session:
    memory = VideoMemory(tiny.model(), budget=96, compress_every_frames=3, slabs=pool)
    memory.feed(tiny.pictures(2))
    made = Session("a", 0, 64)
    made.open(memory)
    return made


def answer(about: Session, span: Span | None = None) -> Answer:
    return Answer(about, Question("What now?", 4, span=span), Sink(), None, 0.0)


def test_a_question_that_there_is_no_room_for_lets_others_go_first_and_is_refused_in_time() -> None:
    pool, clock = SlabPool(tiny.model().shape), Clock()
    pool.most_read = 1
    one, two = session(pool), session(pool)
    queue = ReadyQuestions(256, 5.0, clock)
    late, first, second = answer(two), answer(one), answer(one)
    with one.memory.branch(4):
        for each in (late, first, second):
            queue.append(each)
        assert queue.can_begin == 2
        assert list(queue.take(0)) == [first, second]
        assert queue.can_begin == 0
        clock.now = 5.0
        assert list(queue.refused()) == []
        clock.now = 5.1
        ((refused, error),) = queue.refused()
        assert refused is late
        assert isinstance(error, Overloaded)  # which a caller may try again
        assert "for more than 5 s" in str(error)
    assert list(queue.refused()) == []  # there is room now
    assert list(queue.take(0)) == [late]


def test_each_question_that_begins_counts_for_the_next() -> None:
    pool = SlabPool(tiny.model().shape)
    pool.most_read = 1
    one, two = session(pool), session(pool)
    queue = ReadyQuestions(256, 5.0, Clock())
    for about in (one, two, one):
        queue.append(answer(about))
    queue.append(answer(one, Span(0, 1000)))  # it reads copies, beside the memory
    begun = []
    branches = []
    for each in queue.take(0):
        begun.append(each.session)
        branches.append(each.session.memory.branch(4, each.question.span))
    assert begun == [one, one]
    assert len(queue) == 2
    for branch in branches:
        branch.close()
    assert queue.can_begin == 2


def test_a_pass_takes_as_many_tokens_as_fit() -> None:
    one = session(SlabPool(tiny.model().shape))
    queue = ReadyQuestions(10, 5.0, Clock())
    answers = [answer(one) for _ in range(3)]
    for each in answers:
        each.question_tokens = 6
        queue.append(each)
    assert list(queue.take(5)) == []
    assert list(queue.take(0)) == answers[:1]
    assert list(queue.take(4)) == answers[1:2]
