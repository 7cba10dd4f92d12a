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


class Scheduler:
    """Questions before frames, and among cameras the stalest frame first.

    Constant questions do not starve the cameras: after `questions_per_ingest`
    steps for questions in a row, one frame is let in. New questions and
    answers under way take turns, so that neither waits for all of the other.
    """

    def __init__(self, questions_per_ingest: int) -> None:
        self._limit = questions_per_ingest
        self._streak = 0
        self._last: Literal["prefill", "decode"] = "decode"

    def next(self, ready_questions: int, answers: int, waiting: Mapping[str, int]) -> Work:
        """The next step.

        `waiting` has, for each camera with frames waiting, the capture time of
        the one that has waited longest.
        """
        asked = ready_questions > 0 or answers > 0
        if waiting and (not asked or self._streak >= self._limit):
            self._streak = 0
            return Ingest(min(waiting, key=lambda camera_id: (waiting[camera_id], camera_id)))
        if not asked:
            return Idle()
        self._streak = self._streak + 1 if waiting else 0
        if ready_questions and (not answers or self._last == "decode"):
            self._last = "prefill"
            return Prefill()
        self._last = "decode"
        return Decode()
