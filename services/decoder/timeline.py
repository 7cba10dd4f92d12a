"""Stream time: one clock, which never runs backwards, made of a source's timestamps.

Cameras send timestamps that are missing, equal, or jump; files are honest but
may have any frame rate, or none.
"""

from __future__ import annotations

import math

JITTER_S = 1.0
"""A timestamp that lags by less than this is a disorder; by more, the source set its clock."""

LIVE_JUMP_S = 2.0
"""A timestamp of a live source that leaps ahead by more than this is a jump, not a pause."""

FILE_JUMP_S = 12 * 3600.0
"""The same of a file, which may pause. Where a transport stream's clock was set back, the decode
library takes it for one that ran over, and adds the 26.5 hours that it has."""

LONGEST_INTERVAL_S = 10.0
"""Longest regular interval between two frames of a live source."""


class Timeline:
    """Stream time in seconds: follows timestamps while they make sense, otherwise estimates.

    Estimates are made up for: with the next timestamp that goes on from an earlier one, stream
    time is again what it would be without them. Accepts any sequence of inputs, never raises.
    """

    def __init__(self, jump_s: float = math.inf) -> None:
        """`jump_s`: a timestamp that leaps ahead by more is a jump. Infinite: none is."""
        self._jump_s = jump_s
        self._now_s: float | None = None
        self._offset_s = 0.0  # of stream time from the timestamps
        self._highest_s = -math.inf  # timestamp since the source last set its clock
        self._rise_s = 0.0

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
            if pts_s is not None:
                self._agree(pts_s, self._now_s)
        elif pts_s is None:
            self._now_s += step_s
        else:
            self._now_s = self._follow(pts_s, step_s, self._now_s)
        return self._now_s

    def _follow(self, pts_s: float, step_s: float, now_s: float) -> float:
        """Stream time at a timestamp."""
        at_s = pts_s + self._offset_s
        if pts_s <= self._highest_s:
            # Out of order, or the source set its clock back: time goes on from where it was.
            now_s += step_s
            if pts_s < self._highest_s - JITTER_S or at_s < now_s - JITTER_S:
                self._agree(pts_s, now_s)
            return now_s
        rise_s, earlier_s = pts_s - self._highest_s, self._rise_s
        self._rise_s = rise_s if math.isfinite(rise_s) else 0.0
        if at_s < now_s - JITTER_S:  # estimates were far too long
            now_s += step_s
            self._agree(pts_s, now_s)
        elif at_s <= now_s + self._longest_s(step_s, earlier_s):
            now_s = max(now_s, at_s)
            self._highest_s = pts_s
        else:
            now_s += step_s
            self._agree(pts_s, now_s)
        return now_s

    def _longest_s(self, step_s: float, earlier_s: float) -> float:
        """How far ahead a timestamp may be. A jump comes alone: a slow source is slow each time."""
        return max(self._jump_s, 2 * step_s, 2 * min(earlier_s, LONGEST_INTERVAL_S / 2))

    def _agree(self, pts_s: float, now_s: float) -> None:
        """From now on this timestamp means this stream time."""
        self._offset_s, self._highest_s = now_s - pts_s, pts_s


class Speed:
    """Whether timestamps pass as fast as the clock. Pure.

    A camera's timestamps may run at half the speed, or twice: then its frames' arrival is the
    better clock. A burst is taken for the same, which does no harm: it is over soon.
    """

    WINDOW_S = 10.0
    SLOWEST, FASTEST = 0.6, 1.6

    def __init__(self) -> None:
        self._honest = True
        self._pts_s: float | None = None
        self._shown_s = self._passed_s = 0.0

    def honest(self, pts_s: float | None, step_s: float) -> bool:
        """Whether to use the timestamps of this time. Call it once for each frame, in order.

        `step_s`: how long after the frame before it came.
        """
        if pts_s is not None and self._pts_s is not None:
            rise_s = pts_s - self._pts_s
            # A jump says nothing about speed.
            self._shown_s += rise_s if 0 < rise_s <= max(LIVE_JUMP_S, 2 * step_s) else 0.0
        self._pts_s = pts_s
        self._passed_s += step_s
        if self._passed_s >= self.WINDOW_S:
            speed = self._shown_s / self._passed_s
            self._honest = self.SLOWEST <= speed <= self.FASTEST
            self._shown_s = self._passed_s = 0.0
        return self._honest
