"""Predicts key frames: frames before the next one need not be decoded if none is wanted.

Sampling one frame a second from a stream of 25 costs decoding all 25, because each frame is
encoded as a difference from the one before. A key frame stands alone: if the next one arrives by
about the time at which a frame is wanted, everything before it can be skipped.
"""

from __future__ import annotations

import math

_REGULAR = 3
"""Equal intervals that must be seen before the next key frame is predicted."""

_MOST_REGULAR = 96
_SAME = 0.02  # of an interval


class KeyFrames:
    """Learns the interval between key frames, and distrusts it when one fails to arrive."""

    def __init__(self) -> None:
        self._last_s: float | None = None
        self._interval_s = 0.0
        self._same = 0
        self._needed = _REGULAR
        self.longest_s: float | None = None
        """The longest interval that was seen."""

    def seen(self, at_s: float | None) -> None:
        """A key frame with this timestamp arrived (None: it has none). Call once for each."""
        if at_s is None or not math.isfinite(at_s):
            self._last_s, self._same = None, 0
            return
        if self._last_s is not None:
            interval_s = at_s - self._last_s
            if abs(interval_s - self._interval_s) <= _SAME * self._interval_s:
                self._same += 1
            else:
                self._same = 1 if interval_s > 0 else 0
            self._interval_s = max(0.0, interval_s)
            if interval_s > 0:
                self.longest_s = max(interval_s, self.longest_s or 0.0)
        self._last_s = at_s

    def missed(self) -> None:
        """A predicted key frame did not arrive: ask for more equal intervals from now on."""
        self._same = 0
        self._needed = min(_MOST_REGULAR, 2 * self._needed)

    @property
    def next_s(self) -> float | None:
        """Predicted timestamp of the next key frame; None if there is no prediction."""
        if self._last_s is None or self._same < self._needed:
            return None
        return self._last_s + self._interval_s

    @property
    def overdue_s(self) -> float | None:
        """Timestamp after which the predicted key frame counts as missing."""
        next_s = self.next_s
        return None if next_s is None else next_s + 0.5 * self._interval_s
