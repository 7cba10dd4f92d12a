"""What watches find, as metrics."""

from __future__ import annotations

import time
from collections.abc import Collection

from hermes.v1.event_pb2 import Severity
from hermes.v1.watch_pb2 import Watch
from services.common.metrics import Metrics
from services.hermes_worker.watches.conditions import Reading

COUNTED_S = 120.0
"""What was counted of a removed watch is shown for so long: its last events are seen by then."""


class Series:
    """The metrics of this worker's watches. For one thread."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._counts: set[str] = set()  # the watches of which something is counted
        self._gone: dict[str, float] = {}  # those of them that are removed, and since when

    def read(self, watch: Watch, camera_id: str, reading: Reading, lag_s: float) -> None:
        """An evaluation came to this."""
        metrics, form = self._metrics, watch.WhichOneof("form")
        if form == "yes_no":
            metrics.watch_probability.labels(watch.id, camera_id).set(reading.value)
        elif form == "number":
            metrics.watch_value.labels(watch.id, camera_id).set(reading.value)
        else:
            for text, probability in reading.choices.items():
                metrics.watch_choice.labels(watch.id, camera_id, text).set(probability)
        metrics.watch_evaluated.labels(watch.id, camera_id).set(time.time())
        self._counted(watch.id, "read")
        metrics.watch_lag.observe(lag_s)

    def noted(self, watch: Watch, lag_s: float) -> None:
        """A note of a diary was written."""
        self._counted(watch.id, "read")
        self._metrics.watch_lag.observe(lag_s)
        self._event(watch, "note")

    def skipped(self, watch_id: str) -> None:
        """It was due, and could not be asked in time."""
        self._counted(watch_id, "skipped")

    def failed(self, watch_id: str) -> None:
        """It was asked, and not answered."""
        self._counted(watch_id, "failed")

    def useless(self, watch_id: str) -> None:
        """The answer said nothing: a number beyond the watch's limits."""
        self._counted(watch_id, "out_of_range")

    def judged(self, watch_id: str, camera_id: str, is_open: bool) -> None:
        """Whether an event is open, now that an evaluation was judged."""
        self._metrics.watch_open.labels(watch_id, camera_id).set(is_open)

    def opened(self, watch: Watch) -> None:
        """An event opened."""
        self._event(watch, "opened")

    def closed(self, watch: Watch) -> None:
        """An event closed."""
        self._event(watch, "closed")

    def forget(self, watch_id: str, camera_id: str) -> None:
        """This worker asks it of this camera no more."""
        metrics = self._metrics
        for gauge in (
            metrics.watch_probability,
            metrics.watch_value,
            metrics.watch_choice,
            metrics.watch_open,
            metrics.watch_evaluated,
        ):
            gauge.remove_by_labels({"watch": watch_id, "camera": camera_id})

    def registered(self, watch_ids: Collection[str], now: float) -> None:
        """These watches are registered now, in seconds of any clock. What was counted of others
        is forgotten after a while.
        """
        for watch_id in [*self._gone]:
            if watch_id in watch_ids:
                del self._gone[watch_id]
        for watch_id in self._counts.difference(watch_ids):
            if now - self._gone.setdefault(watch_id, now) >= COUNTED_S:
                self._forget_counts(watch_id)

    def _forget_counts(self, watch_id: str) -> None:
        self._counts.discard(watch_id)
        del self._gone[watch_id]
        for counter in (self._metrics.watch_evaluations, self._metrics.events):
            counter.remove_by_labels({"watch": watch_id})

    def _counted(self, watch_id: str, outcome: str) -> None:
        self._counts.add(watch_id)
        self._metrics.watch_evaluations.labels(watch_id, outcome).inc()

    def _event(self, watch: Watch, kind: str) -> None:
        self._counts.add(watch.id)
        severity = Severity.Name(watch.severity).removeprefix("SEVERITY_").lower()
        self._metrics.events.labels(watch.id, severity, kind).inc()
