"""Suspensions: times in which this process did not run, because it or the machine was stopped.

What lies in the buffers of a live source after that is old, and must not be taken for new.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

SUSPENDED_S = 2.0
"""A process that did nothing for this long, although a thread of it is due each quarter of a
second, did not run. A busy machine delays it by less."""


def running_s() -> float:
    """Seconds that also pass while the machine sleeps, where the system can tell."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class Suspensions:
    """Notices suspensions. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = running_s) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._ran_s = clock()
        self._lost_s = 0.0

    def tick(self) -> None:
        """The process runs. Call it several times within `SUSPENDED_S`."""
        with self._lock:
            self._note()

    def take(self) -> float:
        """Seconds for which the process did not run since the last call; 0 if it always did."""
        with self._lock:
            self._note()
            lost_s, self._lost_s = self._lost_s, 0.0
            return lost_s

    def _note(self) -> None:
        now_s = self._clock()
        if now_s - self._ran_s > SUSPENDED_S:
            self._lost_s += now_s - self._ran_s
        self._ran_s = now_s
