"""The times of an answer that only the gateway knows."""

from __future__ import annotations

import asyncio

from google.protobuf.duration_pb2 import Duration

from hermes.v1.query_pb2 import Complete
from services.common import tracing
from services.common.metrics import Metrics


class AnswerTimes:
    """Of one answer, by the running loop's clock."""

    def __init__(self, metrics: Metrics, received: float) -> None:
        """`received`: when the question came in."""
        self._metrics = metrics
        self._received = received
        self._now = asyncio.get_running_loop().time
        self._first: float | None = None

    def passed_on(self) -> None:
        """A part of the answer was sent on."""
        if self._first is None:
            self._first = self._now()

    def close(self, complete: Complete) -> None:
        """Add the times to the answer's last message."""
        complete.timings.total.CopyFrom(_duration(self._now() - self._received))
        if self._first is None:  # an empty answer
            return
        elapsed = self._first - self._received
        complete.timings.gateway_time_to_first_token.CopyFrom(_duration(elapsed))
        observed = self._metrics.time_to_first_token.labels(complete.model, "gateway")
        observed.observe(elapsed, tracing.exemplar())


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromNanoseconds(round(seconds * 1e9))
    return duration
