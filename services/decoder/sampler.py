"""Sampling: which decoded frames are worth keeping, by presentation time.

Cameras send timestamps that are missing, equal, or jump; files are honest but
may have any frame rate, or none. `Timeline` makes one clock of them that never
runs backwards, and `Sampler` takes one frame from each period of that clock.
"""

from __future__ import annotations

import math


class Timeline:
    """Stream time in seconds: follows timestamps while they rise, otherwise estimates.

    Accepts any sequence of inputs and never raises.
    """

    def __init__(self) -> None:
        self._pts_s: float | None = None
        self._now_s: float | None = None

    def advance(self, pts_s: float | None, step_s: float) -> float:
        """Stream time of the next frame.

        `pts_s`: its timestamp from the start of the source, if it has one.
        `step_s`: how long after the frame before it came, as far as that can
        be known otherwise (by arrival, or by the nominal frame rate).
        """
        if pts_s is not None and not math.isfinite(pts_s):
            pts_s = None
        step_s = step_s if math.isfinite(step_s) and step_s > 0 else 0.0
        if self._now_s is None:
            self._now_s = max(0.0, pts_s or 0.0)
        elif pts_s is not None and self._pts_s is not None and pts_s > self._pts_s:
            self._now_s += pts_s - self._pts_s
        else:
            # Missing, equal, or jumped back (the camera set its clock, or
            # restarted): time goes on from where it was.
            self._now_s += step_s
        self._pts_s = pts_s
        return self._now_s


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
        # Times are in milliseconds further on: rounding up to half of one must not move a slot.
        return math.floor((stream_s + 0.0005) * self._fps + self._phase)


class RateCap:
    """Limits a rate by arrival time, for sources whose timestamps may claim anything.

    A burst after a stall passes; timestamps that leap with each frame do not.
    """

    BURST_S = 10.0
    HEADROOM = 1.5

    def __init__(self, frames_per_second: float) -> None:
        self._rate = frames_per_second * self.HEADROOM
        self._burst = max(4.0, frames_per_second * self.BURST_S)
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
