"""A bound on the questions that are open at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hermes.errors import Overloaded

RETRY_AFTER_S = 1.0


class OpenQuestions:
    """Counts open questions. For one event loop."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.count = 0

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Count a question as open while inside. Raises `Overloaded` if too many are open."""
        if self.count >= self._limit:
            raise Overloaded(f"{self._limit} questions are open, the most allowed", RETRY_AFTER_S)
        self.count += 1
        try:
            yield
        finally:
            self.count -= 1
