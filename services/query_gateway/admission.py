"""Who gets in: a bound on the questions that are open at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hermes.errors import Overloaded

RETRY_AFTER_S = 1.0


class Admission:
    """Counts open questions. For one event loop."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.open = 0

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Hold a place while inside. Raises `Overloaded` at once if there is none."""
        if self.open >= self._limit:
            raise Overloaded(f"{self._limit} questions are open, the most allowed", RETRY_AFTER_S)
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1
