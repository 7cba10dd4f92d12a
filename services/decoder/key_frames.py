"""When the next key frame comes: what lies before it and is not wanted need not be decoded.

A stream of 25 frames a second of which one a second is wanted costs 25 frames of decoding,
because each is told as a change of the one before. Not so behind a key frame: if the next one comes
before, or about when, the next frame is wanted, everything up to it can be left out.
"""

from __future__ import annotations

import math

_REGULAR = 3
"""Intervals that must have been the same before the next one is believed in."""

_MOST_REGULAR = 96
_SAME = 0.02  # of an interval


class KeyFrames:
    """Learns the interval of a stream's key frames, and unlearns it when one fails to come."""

    def __init__(self) -> None:
        self._last_s: float | None = None
        self._interval_s = 0.0
        self._same = 0
        self._needed = _REGULAR

    def seen(self, at_s: float | None) -> None:
        """A key frame with this timestamp came (None: it has none). Call once for each."""
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
        self._last_s = at_s

    def missed(self) -> None:
        """It was believed in and did not come: more is needed to be believed again."""
        self._same = 0
        self._needed = min(_MOST_REGULAR, 2 * self._needed)

    @property
    def next_s(self) -> float | None:
        """Timestamp at which the next one is believed to come, if any is."""
        if self._last_s is None or self._same < self._needed:
            return None
        return self._last_s + self._interval_s

    @property
    def overdue_s(self) -> float | None:
        """Timestamp from which on it has failed to come."""
        next_s = self.next_s
        return None if next_s is None else next_s + 0.5 * self._interval_s
