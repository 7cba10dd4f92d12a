"""Splices: one clock for the segments of a playlist, whose timestamps may begin anew. Pure."""

from __future__ import annotations

from services.decoder.joins import Join

TOLERANCE_S = 0.25
"""Timestamps and durations in playlists are rounded."""

LONGEST_PAUSE_S = 10.0
"""A camera may pause for so long between two segments, without another word."""


class Splices:
    """Turns timestamps into a position that goes on at each join as far as time has gone on."""

    def __init__(self) -> None:
        self._shift_s = 0.0
        self._before_s = 0.0  # the shift before the last splice
        self._end_s: float | None = None

    @property
    def end_s(self) -> float | None:
        """The position up to which packets were read."""
        return self._end_s

    def read(self, stamp_s: float, length_s: float) -> None:
        """A packet was read, with its timestamp."""
        self._end_s = max(self.position_s(stamp_s) + length_s, self._end_s or 0.0)

    def join(self, stamp_s: float, join: Join) -> None:
        """A segment begins with this timestamp."""
        if self._end_s is None:
            return
        apart_s = stamp_s + self._shift_s - (self._end_s + join.missing_s)
        slack_s = TOLERANCE_S + join.missing_s / 2
        latest_s = slack_s if join.anew or join.missing_s else LONGEST_PAUSE_S
        if not -slack_s <= apart_s <= latest_s:
            self._before_s = self._shift_s
            self._shift_s -= apart_s
        self._end_s = stamp_s + self._shift_s

    def position_s(self, stamp_s: float) -> float:
        """The position of a timestamp.

        Frames that come out of the decoder late belong to the segment before.
        """
        now_s, then_s = stamp_s + self._shift_s, stamp_s + self._before_s
        end_s = self._end_s
        if end_s is None or abs(now_s - end_s) <= abs(then_s - end_s):
            return now_s
        return then_s
