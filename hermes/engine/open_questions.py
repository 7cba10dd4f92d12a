"""The open questions of an engine, by what they wait for. For the device's thread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain, islice

from hermes.engine.answer import Answer
from hermes.engine.crowd import MANY
from hermes.engine.ready_questions import ReadyQuestions, can_begin, refused
from hermes.engine.session import Session
from hermes.engine.standing import StandingQuestions
from hermes.errors import Overloaded
from hermes.in_turn import InTurn


class OpenQuestions:
    """Questions that wait for frames or for the device, and answers that are not over.

    `ready` and `standing` wait for the device only. `weighed` are complete, but for their evidence.
    """

    def __init__(self) -> None:
        self.waiting: list[Answer] = []
        self.ready = ReadyQuestions(can_begin)
        self.standing = StandingQuestions(can_begin)
        self.under_way: list[Answer] = []
        self.weighed: list[Answer] = []

    def __iter__(self) -> Iterator[Answer]:
        kinds = (self.waiting, self.ready, self.standing, self.under_way, self.weighed)
        return chain.from_iterable(kinds)

    def asked(self, *, by_few: bool = False) -> tuple[int, int]:
        """Questions of people that a pass can read now, for the first time or a next slice; and
        answers that have begun. `by_few`: only of callers that have few open.
        """
        answered = [answer for answer in self.under_way if not answer.standing]
        able = [answer for answer in self.ready if can_begin(answer)]
        if by_few:
            of = Counter(answer.caller for answer in chain(answered, self.ready))
            able, answered = (
                [answer for answer in answers if of[answer.caller] <= MANY]
                for answers in (able, answered)
            )
        sliced = sum(1 for answer in answered if answer.unread_tokens)
        return len(able) + sliced, len(answered)

    @property
    def standing_ones(self) -> int:
        """Standing questions that can begin, or whose answers have begun."""
        return self.standing.able + sum(answer.standing for answer in self.under_way)

    def make_ready(self, answer: Answer, now: float) -> None:
        """It waits for the device from now on."""
        answer.ready = now
        if answer.standing:
            self.standing.add(answer)
        else:
            self.ready.append(answer)

    def frames_came(self, session: Session, now: float) -> None:
        """The camera's memory took in frames: make ready the questions that waited for them."""
        for answer in list(self.waiting):
            if answer.session is session and answer.is_ready(session.report.cursor):
                self.waiting.remove(answer)
                self.make_ready(answer, now)

    def refused(self, before: float) -> list[tuple[Answer, Overloaded]]:
        """Questions that were ready before this and whose memory there is no room to read."""
        return [*refused(self.ready, before), *refused(self.standing, before)]

    def in_turn(self, answers: Iterable[Answer], most: int) -> list[Answer]:
        """So many of the answers under way as a pass goes on with: callers take turns, each with
        the answers that waited longest.
        """
        return list(islice(InTurn().order(answers, lambda answer: answer.caller, {}), most))

    def had_their_turn(self, answers: Iterable[Answer]) -> None:
        """These answers got a token: of their callers' answers, others are next."""
        them = set(answers)
        self.under_way.sort(key=them.__contains__)

    def put_back(self, answer: Answer) -> None:
        """A standing question that was taken, and cannot begin after all."""
        self.under_way.remove(answer)
        self.standing.put_back(answer)

    def remove(self, answer: Answer) -> None:
        """It is over."""
        self.standing.remove(answer)
        for queue in (self.waiting, self.ready, self.under_way, self.weighed):
            if answer in queue:
                queue.remove(answer)
