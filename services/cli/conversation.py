"""The earlier turns of a conversation."""

from __future__ import annotations

from hermes.client import Turn
from hermes.question import MAX_TURNS

MOST_CHARACTERS = 16_384
"""Of all turns together. A gateway takes twice as many, if its limit was not changed."""


class Conversation:
    """What was asked, and answered. The oldest turns give way to new ones."""

    def __init__(self) -> None:
        self._turns: list[Turn] = []

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Oldest first."""
        return tuple(self._turns)

    def add(self, question: str, answer: str) -> None:
        """Keep one more turn."""
        self._turns.append(Turn(question, answer))
        while len(self._turns) > MAX_TURNS or self._characters() > MOST_CHARACTERS:
            self._turns.pop(0)

    def clear(self) -> int:
        """Forget all turns. How many there were."""
        count = len(self._turns)
        self._turns.clear()
        return count

    def _characters(self) -> int:
        return sum(len(turn.question) + len(turn.answer) for turn in self._turns)
