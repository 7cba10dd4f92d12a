"""Metrics of what the engine does. Called on the device's thread, so it only counts."""

from __future__ import annotations

from services.common.metrics import Metrics


class EngineMetrics:
    """The `hermes.engine.EngineObserver` of a worker."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def frame_in_memory(self, camera_id: str, lag_s: float | None) -> None:
        """Count the frame, and its lag unless it was read again after a takeover."""
        self._metrics.frames.labels(camera_id, "encoded").inc()
        if lag_s is not None:
            self._metrics.frame_lag.observe(lag_s)
            self._metrics.frame_lag_last.labels(camera_id).set(lag_s)

    def tokens_taken(self, camera_id: str, taken: int, unchanged: int) -> None:
        """Count the tokens."""
        self._metrics.frame_tokens.labels(camera_id, "taken").inc(taken)
        self._metrics.frame_tokens.labels(camera_id, "unchanged").inc(unchanged)

    def compressed(self, camera_id: str, evicted_tokens: int) -> None:
        """Count the compression."""
        self._metrics.compressions.inc()
        self._metrics.evicted_tokens.inc(evicted_tokens)

    def pass_retried(self) -> None:
        """Count the pass that had no room, or failed for another reason."""
        self._metrics.pass_retries.inc()

    def frame_failed(self, camera_id: str, error: Exception) -> None:
        """Count the frame as one that could not be used."""
        self._metrics.frames.labels(camera_id, "decode_error").inc()
