"""Pacing: playing a source at its own speed although it could be read faster."""

from __future__ import annotations

LATE_S = 1.0
"""A source later than this is not played faster to catch up: the clock is reset."""

MAX_WAIT_S = 10.0
"""A timestamp further ahead than this is taken for a jump, not for a pause."""


class Pacer:
    """Computes how long to hold a frame back. Clocks are in seconds; stream time never falls."""

    def __init__(self) -> None:
        self._offset_s: float | None = None

    def delay(self, stream_s: float, now_s: float) -> float:
        """Seconds from `now_s` until the frame at `stream_s` is due; 0 if it is."""
        if self._offset_s is not None:
            wait_s = stream_s + self._offset_s - now_s
            if -LATE_S <= wait_s <= MAX_WAIT_S:
                return max(0.0, wait_s)
        self._offset_s = now_s - stream_s
        return 0.0
