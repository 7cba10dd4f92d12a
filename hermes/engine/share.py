"""The share of the device that one kind of questions may take. Plain Python."""

from __future__ import annotations

from collections.abc import Callable

BURST_S = 0.5
"""What was not used is saved up to this much of the device's time."""
ASKING_SHARE = 0.5
"""The share of questions, while frames wait, from which on callers that have many open wait for the
frames. As much is left for frames: a flood of questions has no end, and frames that wait too long
are lost.
"""
_NEWEST = 0.1  # weight of the newest measurement


class Share:
    """Counts the device's time that questions take. Only the device's thread steps it.

    They have `limit` seconds of each second while frames wait.
    """

    def __init__(self, limit: float, clock: Callable[[], float]) -> None:
        self._limit = limit
        self._clock = clock
        self._left_s = BURST_S
        self._at = clock()
        self._each_s = 0.0
        self._going_on_s = 0.0  # since a pass read some
        self._rate = 0.0
        self._counted_at = self._at

    @property
    def left(self) -> bool:
        """Whether they may have a pass now, though frames wait."""
        self._save_up()
        return self._left_s > 0

    def took(self, questions: int, seconds: float) -> None:
        """Record a pass that took `seconds` for them, and read this many of them.

        The passes that only go on with their answers count as part of what the next ones cost.
        """
        self._save_up()
        self._left_s -= seconds
        self._going_on_s += seconds
        if not questions:
            return
        each, self._going_on_s = self._going_on_s / questions, 0.0
        self._each_s += (each - self._each_s) * (_NEWEST if self._each_s else 1.0)
        now = self._clock()
        elapsed = max(1e-6, now - self._counted_at)
        self._rate += (questions / elapsed - self._rate) * min(1.0, elapsed / 10)
        self._counted_at = now

    def figures(self) -> tuple[float, float]:
        """Standing questions a second that the device can answer within the share, and answers.

        Any thread. Before the first one it is not known, and the first is 0.
        """
        silent = self._clock() - self._counted_at
        rate = self._rate if silent < 1 else self._rate / (1 + silent)
        return (self._limit / self._each_s if self._each_s else 0.0), rate

    def _save_up(self) -> None:
        now = self._clock()
        self._left_s = min(BURST_S, self._left_s + (now - self._at) * self._limit)
        self._at = now
