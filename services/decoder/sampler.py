"""Sampling: which decoded frames are worth keeping, by stream time."""

from __future__ import annotations

import math


class Sampler:
    """Takes the first frame of each period of stream time."""

    def __init__(
        self, frames_per_second: float, frame_s: float = 0.0, after_s: float | None = None
    ) -> None:
        """`frame_s`: nominal seconds between the source's frames.

        `after_s`: stream time up to which frames were taken before (a resumed file).
        """
        self._fps = frames_per_second
        # Periods start half a frame early: the frame nearest to the edge opens
        # one, and jitter loses nothing of a source at just the wanted rate.
        self._phase = min(0.5, max(0.0, frame_s) * frames_per_second / 2)
        self._slot = -1 if after_s is None else self._slot_of(after_s)

    def wants(self, stream_s: float) -> bool:
        """Whether to keep the frame at `stream_s`. Call once for each frame, in order."""
        slot = self._slot_of(stream_s)
        if slot <= self._slot:
            return False
        self._slot = slot
        return True

    def skipped(self, stream_s: float) -> int:
        """Periods without a frame between the one that was kept last and the one of `stream_s`."""
        return max(0, self._slot_of(stream_s) - self._slot - 1)

    @property
    def next_s(self) -> float:
        """Stream time from which on the next frame is wanted."""
        return (self._slot + 1 - self._phase) / self._fps

    def _slot_of(self, stream_s: float) -> int:
        # Times are in milliseconds further on, so they are here: rounding must not move a slot.
        return math.floor((round(stream_s * 1000) / 1000 + 0.0005) * self._fps + self._phase)


class RateCap:
    """Limits a rate by arrival time, for sources whose timestamps may claim anything.

    A burst after a stall passes; timestamps that leap with each frame do not.
    """

    BURST_S = 10.0
    HEADROOM = 1.5

    def __init__(self, frames_per_second: float, burst_s: float = BURST_S) -> None:
        """`burst_s`: how much of it may come at once."""
        self._rate = frames_per_second * self.HEADROOM
        self._burst = max(4.0, frames_per_second * burst_s)
        self._credit = self._burst
        self._at_s: float | None = None

    def allows(self, now_s: float) -> bool:
        """Whether a frame that arrived at `now_s` (monotonic) may be kept; uses up its credit."""
        if self._at_s is not None:
            elapsed_s = max(0.0, now_s - self._at_s)
            self._credit = min(self._burst, self._credit + elapsed_s * self._rate)
        self._at_s = now_s
        if self._credit < 1.0:
            return False
        self._credit -= 1.0
        return True
