"""When one watch of one camera is asked again. Plain Python: no clock."""

from __future__ import annotations

from dataclasses import dataclass

HEARTBEAT_MS = 10_000
"""How often a watch is asked at least while frames come, unless it says otherwise."""
SETTLING_MS = 10_000
"""For so long after a change, a watch whose answer is unsure is asked about every frame."""


@dataclass(slots=True)
class Pace:
    """Asks after frames that changed something, not too often, and now and then in any case.

    `every_ms`: at most this often. `heartbeat_ms`: at least this often. Times are of
    capture, in ms.
    """

    every_ms: int = 0
    heartbeat_ms: int = HEARTBEAT_MS
    _last_ms: int | None = None
    _changes: int = -1
    _changed_ms: int = 0

    def due(
        self, newest_ms: int, changes: int, *, waiting: bool = False, unsure: bool = False
    ) -> bool:
        """Whether to ask now.

        `newest_ms`: capture time of memory's newest frame. `changes`: how many of its
        frames changed something so far. `waiting`: the trigger waits for time to pass, so
        that every frame counts. `unsure`: the last answer was. What has just changed is often
        understood a frame or two later.
        """
        if self._last_ms is None:
            return True
        elapsed = newest_ms - self._last_ms
        if elapsed <= 0 or elapsed < self.every_ms:
            return False
        settling = unsure and newest_ms - self._changed_ms <= SETTLING_MS
        return waiting or settling or changes != self._changes or elapsed >= self.heartbeat_ms

    def asked(self, newest_ms: int, changes: int) -> None:
        """It was asked when memory was like this."""
        if changes != self._changes:
            self._changed_ms = newest_ms
        self._last_ms, self._changes = newest_ms, changes
