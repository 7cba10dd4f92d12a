"""The earlier turns of a conversation with each camera."""

from __future__ import annotations

from hermes.client import Turn
from hermes.question import MAX_TURNS

MOST_CHARACTERS = 16_384
"""Of the turns with one camera. A gateway takes twice as many, if nobody changed its limit."""


class Conversations:
    """What was asked about each camera, and answered. The oldest turns give way to new ones."""

    def __init__(self) -> None:
        self._turns: dict[str, list[Turn]] = {}

    def turns(self, camera: str) -> tuple[Turn, ...]:
        """The turns with a camera, oldest first."""
        return tuple(self._turns.get(camera, ()))

    def add(self, camera: str, question: str, answer: str) -> None:
        """Keep one more turn."""
        turns = self._turns.setdefault(camera, [])
        turns.append(Turn(question, answer))
        while len(turns) > MAX_TURNS or _characters(turns) > MOST_CHARACTERS:
            turns.pop(0)

    def clear(self) -> int:
        """Forget all turns. How many there were."""
        count = sum(map(len, self._turns.values()))
        self._turns.clear()
        return count


def _characters(turns: list[Turn]) -> int:
    return sum(len(turn.question) + len(turn.answer) for turn in turns)
