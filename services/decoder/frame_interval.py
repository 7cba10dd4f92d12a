"""The interval between frames: as the stream says, or as its timestamps show."""

from __future__ import annotations

import statistics
from collections import deque
from fractions import Fraction
from itertools import pairwise

SHORTEST_S, LONGEST_S = 1 / 300, 60.0
"""A stream that says less or more means something else: many say 90000 frames a second."""

USUAL_S = 0.04
WINDOW = 16


class FrameInterval:
    """Nominal seconds from frame to frame. Pure."""

    def __init__(self, *rates: Fraction | None) -> None:
        """`rates`: frames a second as the stream says, the most trustworthy first."""
        intervals = [float(1 / rate) for rate in rates if rate]
        self._said_s = next((s for s in intervals if SHORTEST_S <= s <= LONGEST_S), None)
        self._recent: deque[float] = deque(maxlen=WINDOW)

    def seen(self, at_s: float | None) -> None:
        """A packet with this timestamp came."""
        if self._said_s is None and at_s is not None:
            self._recent.append(at_s)

    @property
    def seconds(self) -> float:
        """Of the stream, or else measured over the last packets."""
        if self._said_s is not None:
            return self._said_s
        # Packets of B-frames come in another order than they are shown.
        rises = [b - a for a, b in pairwise(sorted(self._recent)) if b - a >= SHORTEST_S]
        return min(statistics.median(rises), LONGEST_S) if len(rises) > 1 else USUAL_S
