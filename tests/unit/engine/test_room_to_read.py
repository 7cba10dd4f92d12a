"""A device has room to read so many memories at once: further questions wait, and not for ever."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hermes.engine import EngineConfig
from hermes.engine.answer import Answer
from hermes.engine.ready_questions import ReadyQuestions, can_begin, refused
from hermes.engine.session import Session
from hermes.engine.standing import StandingQuestions
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


def session(pool: SlabPool) -> Session:
    memory = VideoMemory(tiny.model(), budget=96, compress_every_frames=3, slabs=pool)
    memory.feed(tiny.pictures(2))
    made = Session("a", 0, 64)
    made.open(memory)
    return made


def answer(about: Session, span: Span | None = None) -> Answer:
    return Answer(about, Question("What now?", 4, span=span), Sink(), None, 0.0)


def waiting(*answers: Answer) -> ReadyQuestions:
    queue = ReadyQuestions(can_begin)
    for each in answers:
        queue.append(each)
    return queue


def taken(queue: ReadyQuestions) -> list[Answer]:
    found = []
    for each in queue.next_ones():
        queue.remove(each)
        found.append(each)
    return found


def test_a_question_that_there_is_no_room_for_lets_others_go_first_and_is_refused_in_time() -> None:
    pool = SlabPool(tiny.model().shape)
    pool.most_read = 1
    one, two = session(pool), session(pool)
    late, first, second = answer(two), answer(one), answer(one)
    queue = waiting(late, first, second)
    with one.memory.branch(4):
        assert queue.able == 2
        assert taken(queue) == [first, second]
        assert queue.able == 0
        assert refused(queue, late.ready) == []
        ((found, error),) = refused(queue, late.ready + 0.1)
        assert found is late
        assert isinstance(error, Overloaded)  # which a caller may try again
        assert "too many memories are being read" in str(error)
    assert refused(queue, late.ready + 0.1) == []  # there is room now
    assert taken(queue) == [late]


def test_each_question_that_begins_counts_for_the_next() -> None:
    pool = SlabPool(tiny.model().shape)
    pool.most_read = 1
    one, two = session(pool), session(pool)
    # The last one reads copies, beside the memory.
    queue = waiting(answer(one), answer(two), answer(one), answer(one, Span(0, 1000)))
    begun, branches = [], []
    for each in queue.next_ones():
        queue.remove(each)
        begun.append(each.session)
        branches.append(each.session.memory.branch(4, each.question.span))
    assert begun == [one, one]
    assert len(queue) == 2
    for branch in branches:
        branch.close()
    assert queue.able == 2


def test_standing_questions_wait_for_room_as_well() -> None:
    pool = SlabPool(tiny.model().shape)
    pool.most_read = 1
    one, two = session(pool), session(pool)
    queue = StandingQuestions(can_begin)
    for about in (one, two):
        queue.add(answer(about))
    with two.memory.branch(4):
        assert queue.able == 1
        ((first,),) = queue.take(1000)
        assert first.session is two
        assert queue.take(1000) == []
    ((second,),) = queue.take(1000)
    assert second.session is one
