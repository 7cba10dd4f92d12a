"""Callers take turns, and none of them takes all the room. Plain Python: no clock, no device.

A caller is named by any text; the empty one is a caller that is not known.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

T = TypeVar("T")

REMEMBERED = 4096
"""How many callers' last turns are remembered."""
TIMES_FREE = 3
"""A known caller may hold up to so many times what is left free: alone, three quarters."""


class InTurn:
    """Remembers who was served last, and says who is next. For one thread."""

    def __init__(self) -> None:
        self._turn = 0
        self._last: OrderedDict[str, int] = OrderedDict()

    def served(self, caller: str) -> None:
        """It is this caller's turn now: others are next."""
        self._turn += 1
        self._last[caller] = self._turn
        self._last.move_to_end(caller)
        if len(self._last) > REMEMBERED:
            self._last.popitem(last=False)

    def key(self, caller: str, held: int) -> tuple[int, int]:
        """The caller with the smallest key is next. `held`: how many places it holds."""
        return held, self._last.get(caller, 0)

    def order(
        self, waiting: Iterable[T], caller_of: Callable[[T], str], held: Mapping[str, int]
    ) -> Iterator[T]:
        """Yield what waits: next is always the caller that holds the fewest, with its oldest.

        `held`: how many places each caller holds already. What was yielded counts as held. Of
        callers that hold as many, the one that was served least recently is next.
        """
        queues: dict[str, deque[T]] = {}
        for one in waiting:
            queues.setdefault(caller_of(one), deque()).append(one)
        holds = Counter({caller: held.get(caller, 0) for caller in queues})
        while queues:
            caller = min(queues, key=lambda name: self.key(name, holds[name]))
            yield queues[caller].popleft()
            holds[caller] += 1
            if not queues[caller]:
                del queues[caller]


def most_held(free: int) -> int:
    """How many places a known caller may hold when so many are free: it gets none beyond that.

    So a few places stay free for others, however much one caller sends. A caller that is alone
    gets three quarters of all places, two that send much get three sevenths each, and so on.
    """
    return TIMES_FREE * max(0, free)


def waits_behind(own: int, others: Iterable[int]) -> int:
    """How many go before the next of a caller, if callers take turns.

    `own`: how many of this caller wait. `others`: how many each other caller has waiting.
    """
    return own + sum(min(theirs, own + 1) for theirs in others)
