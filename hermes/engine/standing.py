"""Standing questions that wait for the device: by camera, so that each camera is read once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hermes.engine.answer import Answer
from hermes.engine.session import Session

MOST_TOKENS = 2048
"""Of a pass over standing questions, if its layers are short enough. A larger one would keep no
device busier, and its keys and values take room that was not measured."""


class StandingQuestions:
    """A queue of cameras, each with all of its standing questions. Plain Python.

    The camera with the question that has waited longest comes first.
    """

    def __init__(self, can_begin: Callable[[Answer], bool]) -> None:
        """`can_begin`: whether there is room to read a question's memory now."""
        self._can_begin = can_begin
        self._waiting: dict[Session, list[Answer]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def __iter__(self) -> Iterator[Answer]:
        return (answer for answers in self._waiting.values() for answer in answers)

    @property
    def able(self) -> int:
        """How many of them can begin now."""
        waiting = self._waiting.values()
        return sum(len(answers) for answers in waiting if self._can_begin(answers[0]))

    def add(self, answer: Answer) -> None:
        """Put a question at the end of its camera's."""
        self._waiting.setdefault(answer.session, []).append(answer)

    def put_back(self, answer: Answer) -> None:
        """Put back a question that was taken: its camera comes first again."""
        others = self._waiting.pop(answer.session, [])
        answers = sorted([answer, *others], key=lambda one: one.ready)
        self._waiting = {answer.session: answers, **self._waiting}

    def remove(self, answer: Answer) -> None:
        """Take out a question, if it waits here."""
        answers = self._waiting.get(answer.session, [])
        if answer in answers:
            answers.remove(answer)
            if not answers:
                del self._waiting[answer.session]

    def take(self, room: int, *, least: int = 1) -> list[list[Answer]]:
        """Take out the questions of the next cameras, of so many tokens in all.

        A camera's questions stay together, unless they alone are more than that. There is
        room for at least so many questions in any case.
        """
        taken: list[list[Answer]] = []
        for session, answers in list(self._waiting.items()):
            if not self._can_begin(answers[0]):
                continue
            fitting, left = 0, room - session.present_tokens
            for answer in answers:
                left -= answer.pass_tokens
                if left < 0 and (taken or fitting >= least):
                    break
                fitting += 1
            if fitting < len(answers) and (taken or not fitting):
                break
            taken.append(answers[:fitting])
            del answers[:fitting]
            if answers:
                break
            del self._waiting[session]
            room = left
        return taken
