"""Whether each long-lived thread, and each long-lived task of an event loop, makes progress."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

LIMIT_S = 60.0
"""A thread that has not finished a round for this long is stuck, unless it says otherwise."""


class Heartbeat:
    """One thread's sign of life. `beat` costs a clock reading and may be called from any thread."""

    def __init__(self, name: str, limit_s: float, clock: Callable[[], float]) -> None:
        self.name = name
        self.limit_s = limit_s
        self._clock = clock
        self._at = clock()
        self._pause_s = 0.0

    def beat(self, pause_s: float = 0.0) -> None:
        """The thread has finished a round without a fault of its own.

        `pause_s`: how long it will rest until the next, on top of the limit.
        """
        self._pause_s = pause_s
        self._at = self._clock()

    @property
    def age_s(self) -> float:
        """Seconds since the last beat."""
        return self._clock() - self._at

    @property
    def late(self) -> bool:
        """Whether the last beat is older than the limit, and than the pause that it announced."""
        return self.age_s > self.limit_s + self._pause_s


class Heartbeats:
    """The heartbeats of a process. Thread-safe.

    A thread that has died and one that fails in every round look the same: neither beats.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._beats: dict[str, Heartbeat] = {}
        self._lock = threading.Lock()

    def add(self, name: str, limit_s: float = LIMIT_S) -> Heartbeat:
        """Expect beats of the thread `name` from now on."""
        heartbeat = Heartbeat(name, limit_s, self._clock)
        with self._lock:
            self._beats[name] = heartbeat
        return heartbeat

    def remove(self, heartbeat: Heartbeat) -> None:
        """The thread ends as planned: its silence is no fault."""
        with self._lock:
            if self._beats.get(heartbeat.name) is heartbeat:
                del self._beats[heartbeat.name]

    def all(self) -> list[Heartbeat]:
        """Every heartbeat that is expected."""
        with self._lock:
            return list(self._beats.values())

    def late(self) -> list[str]:
        """Names of the threads that are stuck."""
        return sorted(heartbeat.name for heartbeat in self.all() if heartbeat.late)
