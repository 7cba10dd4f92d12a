"""Callers that fill a pass, and whose pass gives way to questions of others. Plain Python."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable

from hermes.engine.answer import Answer

MANY = 4
"""More answers than these in one pass are many. So a few people who ask at the same time are
served as one, which takes the least time in all.
"""

LEAST_TOKENS = 16
"""A crowd's pass has this many tokens in any case."""
SHORTER = 4
"""A crowd's pass has slices that are so many times shorter than those of a pass over frames: each
question of others waits for one of them.
"""
LATELY_S = 60.0
"""A caller that asked so long ago, or before that, does not count as one that asks."""


class Crowd:
    """The known callers of whom one pass has many answers. It gives way to each other caller once.

    Once, so that the pass comes to its end however many others ask.
    """

    def __init__(self, answers: Iterable[Answer]) -> None:
        """`answers`: those of the pass."""
        counts = Counter(answer.caller for answer in answers)
        self._many = {caller for caller, count in counts.items() if caller and count > MANY}
        self._went = set[str]()

    def __bool__(self) -> bool:
        return bool(self._many)

    def lets_first(self, answer: Answer) -> bool:
        """Whether the pass gives way to a question that waits."""
        return answer.caller not in self._many and answer.caller not in self._went

    def went(self, answers: Iterable[Answer]) -> None:
        """These have begun between two layers of the pass."""
        self._went.update(answer.caller for answer in answers)


NO_CROWD = Crowd(())


class AskedLately:
    """The last known callers that asked."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock`: in seconds."""
        self._clock = clock
        self._last: OrderedDict[str, float] = OrderedDict()

    def asked(self, caller: str) -> None:
        """It asks now. Callers that are not known do not count."""
        if caller:
            self._last[caller] = self._clock()
            self._last.move_to_end(caller)
            if len(self._last) > 2:
                self._last.popitem(last=False)

    @property
    def several(self) -> bool:
        """Whether two callers or more asked lately."""
        return len(self._last) > 1 and self._clock() - min(self._last.values()) < LATELY_S


def unread_by_caller(answers: Iterable[Answer]) -> Counter[str]:
    """How many passes must still read a part of the questions, by caller."""
    count = Counter[str]()
    for answer in answers:
        count[answer.caller] += answer.unread
    return count
