"""A bound on the questions that are open at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hermes.errors import Overloaded
from hermes.in_turn import most_held
from services.common.caller import UNKNOWN

RETRY_AFTER_S = 1.0


class OpenQuestions:
    """Counts open questions. A known caller never has the last places: some stay free for others.

    For one event loop.
    """

    def __init__(self, limit: int, caller: Callable[[], str] = lambda: UNKNOWN) -> None:
        """`caller`: the mark of the caller that is being served."""
        self._limit = limit
        self._caller = caller
        self._of = Counter[str]()
        self.count = 0

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Count a question as open while inside. Raises `Overloaded` if too many are open."""
        if self.count >= self._limit:
            raise Overloaded(f"{self._limit} questions are open, the most allowed", RETRY_AFTER_S)
        caller, free = self._caller(), self._limit - self.count
        if caller and (own := self._of[caller]) >= most_held(free):
            raise Overloaded(
                f"{own} questions of yours are open; the last {free} places are for other callers",
                RETRY_AFTER_S,
            )
        self.count += 1
        self._of[caller] += 1
        try:
            yield
        finally:
            self.count -= 1
            self._of[caller] -= 1
            if not self._of[caller]:
                del self._of[caller]
