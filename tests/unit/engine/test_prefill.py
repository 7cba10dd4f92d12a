"""Which questions a pass reads, and how much of each. Only their lengths count."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from hermes.engine.answer import Answer
from hermes.engine.prefill import PassShare, Prefill
from hermes.engine.question_room import QuestionRoom
from hermes.engine.ready_questions import ReadyQuestions
from hermes.engine.session import Session
from hermes.question import Question
from hermes.vlm.scoring import Scoring
from tests.unit.engine.test_choices import Sink

MOST = 100
LEAST = 25


def asked(tokens: int, *, standing: bool = False, caller: str = "") -> Answer:
    """A question that waits for the device."""
    answer = Answer(
        Session("a", 1, 1), Question("?"), Sink(), None, 0.0, standing=standing, caller=caller
    )
    answer.question_tokens = answer.unread_tokens = tokens
    return answer


def queue(questions: Iterable[Answer]) -> ReadyQuestions:
    """Questions that can all begin."""
    ready = ReadyQuestions(lambda answer: True)
    for answer in questions:
        ready.append(answer)
    return ready


def shared(prefill: Prefill, under_way: list[Answer], ready: ReadyQuestions) -> PassShare:
    """What the next pass does, if every question begins."""
    return prefill.share(under_way, ready, lambda answer: True)


def read(share: PassShare, under_way: list[Answer]) -> list[int]:
    """What a pass reads is read. Returns how many tokens of each question that was."""
    under_way += share.starting
    for answer, tokens in share.reads:
        answer.unread_tokens -= tokens
    return [tokens for _, tokens in share.reads]


def test_questions_that_fit_are_read_whole_as_many_as_fit() -> None:
    ready = queue(asked(tokens) for tokens in (40, 60, 30, 100, 10))
    prefill, under_way = Prefill(QuestionRoom(MOST, grows=False)), list[Answer]()
    assert read(shared(prefill, under_way, ready), under_way) == [40, 60]
    assert read(shared(prefill, under_way, ready), under_way) == [30]
    assert read(shared(prefill, under_way, ready), under_way) == [100]
    assert read(shared(prefill, under_way, ready), under_way) == [10]
    share = shared(prefill, under_way, ready)
    assert share == PassShare((), tuple(under_way), (), 0)


def test_the_one_question_of_a_quiet_caller_is_in_the_next_pass() -> None:
    """However many of another caller came before it, and whether or not those are answered."""
    under_way = [asked(0, caller="flood") for _ in range(5)]
    flood = [asked(50, caller="flood") for _ in range(20)]
    quiet = asked(50, caller="quiet")
    prefill, ready = Prefill(QuestionRoom(MOST, grows=False)), queue([*flood, quiet])
    assert shared(prefill, under_way, ready).starting == (quiet, flood[0])
    late = [asked(50, caller="quiet") for _ in range(3)]
    for answer in late:
        ready.append(answer)
    # Now both have questions that wait, and no answer: one of each in a pass.
    for own, others in zip(late, flood[1:], strict=False):
        assert set(shared(prefill, [], ready).starting) == {own, others}


def test_a_long_question_is_read_in_slices_while_answers_go_on() -> None:
    under_way = [going_on := asked(0)]
    ready = queue([long := asked(250)])
    prefill, slices = Prefill(QuestionRoom(MOST, grows=False)), []
    while ready or long.unread_tokens:
        share = shared(prefill, under_way, ready)
        assert going_on in share.going_on, "it gets a token with each slice"
        assert long not in share.going_on
        slices += read(share, under_way)
    assert slices == [100, 100, 50]
    assert shared(prefill, under_way, ready).going_on == (going_on, long)


def test_what_a_long_question_brings_counts_with_its_slices() -> None:
    """Frames with the first, choices with the last."""
    long = asked(250)
    long.session = cast(Session, SimpleNamespace(present_tokens=10))
    long.scoring = cast(Scoring, SimpleNamespace(tokens=30))
    prefill, under_way, passes = Prefill(QuestionRoom(MOST, grows=False)), list[Answer](), []
    ready = queue([long])
    while long.unread_tokens:
        share = shared(prefill, under_way, ready)
        passes.append((read(share, under_way), share.tokens))
    assert passes == [([90], 100), ([100], 100), ([60], 90)]


def test_questions_that_come_meanwhile_go_first_and_leave_a_quarter() -> None:
    """Neither starves, however many short questions come."""
    prefill, under_way, passes = Prefill(QuestionRoom(MOST, grows=False)), list[Answer](), 0
    ready = queue([long := asked(300)])
    while long.unread_tokens or ready:
        ready.append(asked(40))
        ready.append(asked(45))
        assert read(shared(prefill, under_way, ready), under_way) == [40, 45, LEAST]
        passes += 1
        assert not ready, "none waits for the long one"
        if not long.unread_tokens:
            break
    assert passes == 300 // LEAST


def test_of_several_long_questions_the_oldest_is_read_and_standing_ones_come_last() -> None:
    standing, first, second = asked(150, standing=True), asked(150), asked(130)
    prefill, under_way = Prefill(QuestionRoom(MOST, grows=False)), [standing]
    ready = queue([first, second])
    turns = []
    while any(answer.unread_tokens for answer in (standing, first, second)):
        share = shared(prefill, under_way, ready)
        turns += [answer for answer, _ in share.reads]
        read(share, under_way)
    assert turns == [first, first, second, second, standing, standing]


@given(st.lists(st.integers(1, 400), min_size=1, max_size=12), st.integers(1, 120))
def test_everything_is_read_once_in_passes_of_bounded_size(lengths: list[int], most: int) -> None:
    questions = [asked(tokens) for tokens in lengths]
    prefill, ready, under_way = (
        Prefill(QuestionRoom(most, grows=False)),
        queue(questions),
        list[Answer](),
    )
    total = dict.fromkeys(map(id, questions), 0)
    while any(answer.unread_tokens for answer in questions):
        share = shared(prefill, under_way, ready)
        assert share.reads
        assert sum(tokens for _, tokens in share.reads) <= most + max(1, most // 4)
        for answer, tokens in share.reads:
            total[id(answer)] += tokens
        read(share, under_way)
    assert list(total.values()) == lengths
