"""Questions that have all the frames they waited for, and wait for the device. Plain Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from hermes.engine.answer import Answer
from hermes.errors import Overloaded
from hermes.in_turn import InTurn

NOBODY: Mapping[str, int] = {}


class ReadyQuestions:
    """A queue in which callers take turns, each with its oldest question first. A question whose
    memory there is no room to read lets later ones go first.

    A GPU has room to read only so many memories at once (`hermes.memory.SlabPool`). Such a
    question begins once another memory is read no more.
    """

    def __init__(self, can_begin: Callable[[Answer], bool]) -> None:
        """`can_begin`: whether there is room to read a question's memory now."""
        self._can_begin = can_begin
        self._answers: list[Answer] = []
        self._turns = InTurn()

    def __iter__(self) -> Iterator[Answer]:
        return iter(self._answers)

    def __len__(self) -> int:
        return len(self._answers)

    def __contains__(self, answer: object) -> bool:
        return answer in self._answers

    @property
    def able(self) -> int:
        """How many of them can begin now."""
        return sum(map(self._can_begin, self._answers))

    def next_ones(self, answered: Mapping[str, int] = NOBODY) -> Iterator[Answer]:
        """Those that can begin, in order. Begin each that you `remove` before you go on.

        `answered`: how many questions of each caller are being answered.
        """
        in_order = self._turns.order(self._answers, lambda answer: answer.caller, answered)
        return filter(self._can_begin, in_order)

    def append(self, answer: Answer) -> None:
        """Add one."""
        self._answers.append(answer)

    def remove(self, answer: Answer) -> None:
        """Take one out: it begins, or it is over. In both cases its caller had its turn."""
        self._answers.remove(answer)
        self._turns.served(answer.caller)


def can_begin(answer: Answer) -> bool:
    """Whether there is room to read the question's memory now."""
    return answer.session.memory.cache.can_be_read(answer.question.span)


def refused(waiting: Iterable[Answer], before: float) -> list[tuple[Answer, Overloaded]]:
    """The questions that were ready before this and still have no room to be read, and why."""
    return [
        (
            answer,
            Overloaded(
                f"too many memories are being read: there was no room to read that of"
                f" {answer.camera_id} in time"
            ),
        )
        for answer in waiting
        if answer.ready < before and not can_begin(answer)
    ]
