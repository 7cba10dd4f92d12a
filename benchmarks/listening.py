"""Listeners for an engine that is being measured."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from hermes.engine import AnswerResult
from hermes.errors import HermesError


@dataclass
class Sink:
    """Waits for the end of one answer."""

    result: AnswerResult | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    def delta(self, text: str) -> None: ...

    def done(self, result: AnswerResult) -> None:
        self.result = result
        self.ended.set()

    def failed(self, error: HermesError) -> None:
        self.ended.set()


@dataclass
class Watch:
    """Counts frames, and notes their lags in seconds, since `begin`."""

    frames: int = 0
    lags: list[float] = field(default_factory=list)
    failed: list[Exception] = field(default_factory=list)
    retries: int = 0

    def begin(self) -> None:
        """Start counting."""
        self.frames, self.lags = 0, []

    def frame_in_memory(self, camera_id: str, lag_s: float | None) -> None:
        self.frames += 1
        if lag_s is not None:
            self.lags.append(lag_s)

    def tokens_taken(self, camera_id: str, taken: int, unchanged: int) -> None: ...

    def compressed(self, camera_id: str, evicted_tokens: int) -> None: ...

    def pass_retried(self) -> None:
        self.retries += 1

    def frame_failed(self, camera_id: str, error: Exception) -> None:
        self.failed.append(error)


def percentile(values: Sequence[float], percent: float) -> float | None:
    """A percentile of measured values; the worst if there are few, None if there are none."""
    if not values:
        return None
    return sorted(values)[min(len(values) - 1, int(percent / 100 * len(values)))]
