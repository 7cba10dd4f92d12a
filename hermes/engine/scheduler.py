"""What the device does next. Plain Python: no tensors, no clock, no device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing to do."""


@dataclass(frozen=True, slots=True)
class Prefill:
    """Read the oldest question that is ready."""


@dataclass(frozen=True, slots=True)
class Decode:
    """One token for every answer under way."""


@dataclass(frozen=True, slots=True)
class Ingest:
    """One frame of this camera."""

    camera_id: str


Work = Idle | Prefill | Decode | Ingest


REMEMBERED = 1024
"""Cameras whose last turn is remembered: far more than one device has at a time."""


class Scheduler:
    """Questions before frames, and the cameras in turn.

    Among cameras it is the one whose last turn is longest ago, and of those
    that had none the one with the oldest frame. So a camera with a long backlog
    (a file, a replay) has no more than its share, and one that sends less than
    its share never waits behind it.

    Constant questions do not starve the cameras: after `questions_per_ingest`
    steps for questions in a row, one frame is let in. New questions and
    answers under way take turns, so that neither waits for all of the other.
    """

    def __init__(self, questions_per_ingest: int) -> None:
        self._limit = questions_per_ingest
        self._streak = 0
        self._last: Literal["prefill", "decode"] = "decode"
        self._turn = 0
        self._last_turn: dict[str, int] = {}  # the one that is longest ago first

    def next(self, ready_questions: int, answers: int, waiting: Mapping[str, int]) -> Work:
        """The next step.

        `waiting` has, for each camera with frames waiting, the capture time of
        the one that has waited longest.
        """
        asked = ready_questions > 0 or answers > 0
        if waiting and (not asked or self._streak >= self._limit):
            self._streak = 0
            return Ingest(self._next_camera(waiting))
        if not asked:
            return Idle()
        self._streak = self._streak + 1 if waiting else 0
        if ready_questions and (not answers or self._last == "decode"):
            self._last = "prefill"
            return Prefill()
        self._last = "decode"
        return Decode()

    def _next_camera(self, waiting: Mapping[str, int]) -> str:
        last_turn = self._last_turn
        chosen = min(waiting, key=lambda id: (last_turn.get(id, 0), waiting[id], id))
        self._turn += 1
        last_turn.pop(chosen, None)
        last_turn[chosen] = self._turn
        if len(last_turn) > REMEMBERED:
            del last_turn[next(iter(last_turn))]
        return chosen
