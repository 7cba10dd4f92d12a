"""How long to wait for other processes: longer where they themselves wait for a CPU."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

MOST = 10.0
"""A deadline grows this many times at most."""


class Usage(NamedTuple):
    """Seconds that the threads of a process ran, and that they waited for a CPU."""

    ran: float
    waited: float


class Patience:
    """A deadline for what this process's children do.

    On a machine with a CPU to spare it lasts for as long as it says. Where the children could run
    for only half of the time that they wanted to, it lasts twice as long: the system counts, for
    each thread, how long it ran and how long it waited for a CPU.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._began = time.monotonic()
        self._before = children()

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        elapsed = self.elapsed
        return elapsed >= self._seconds and elapsed >= self._seconds * self.slowness

    @property
    def slowness(self) -> float:
        """How many times as long as with a CPU of their own the children take: 1 or more."""
        return slowness(self._before, children())


def slowness(before: dict[int, Usage], after: dict[int, Usage]) -> float:
    """From what the children, by process id, have used before and since."""
    nothing = Usage(0.0, 0.0)
    ran = sum(now.ran - before.get(child, nothing).ran for child, now in after.items())
    waited = sum(now.waited - before.get(child, nothing).waited for child, now in after.items())
    return min(MOST, 1.0 + waited / ran) if ran > 0 < waited else 1.0


def children() -> dict[int, Usage]:
    """What the children of this process have used so far. Nothing where no `/proc` says it."""
    found: dict[int, Usage] = {}
    for path in Path("/proc/self/task").glob("*/children"):
        try:
            ids = path.read_text().split()
        except OSError:  # the thread has ended
            continue
        found |= {int(child): _used(Path("/proc") / child / "task") for child in ids}
    return found


def _used(threads: Path) -> Usage:
    ran = waited = 0
    for path in threads.glob("*/schedstat"):
        try:
            nanoseconds = path.read_text().split()
        except OSError:
            continue
        ran += int(nanoseconds[0])
        waited += int(nanoseconds[1])
    return Usage(ran / 1e9, waited / 1e9)
