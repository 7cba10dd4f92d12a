"""Supervision: what ends is restarted, with growing pauses, until it ends too often."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from services.cli.processes import StartFailed
from services.common.backoff import Backoff

PAUSE_S = 0.5
PAUSE_MOST_S = 5.0
STABLE_S = 60.0
"""What ran for this long is not in a crash loop."""
MOST_DEATHS = 5


class CrashLoop(StartFailed):
    """A service ended again and again, each time soon after its start."""


class Watched(Protocol):
    """A process that is to run for as long as the command does."""

    @property
    def name(self) -> str:
        """As people know it."""
        ...

    @property
    def needed(self) -> bool:
        """Whether the others cannot start without it."""
        ...

    @property
    def log(self) -> Path | None:
        """Where it writes what happens to it."""
        ...

    def ended(self) -> str:
        """How it ended, for people; empty while it runs."""
        ...

    def why(self) -> str:
        """What its log says about its end; empty if that is nothing."""
        ...

    def start_again(self, same_ports: bool) -> None:
        """Start it. Returns at once."""
        ...

    def is_ready(self) -> bool:
        """Whether it has come up."""
        ...


@dataclass(frozen=True, slots=True)
class Away:
    """A service that is being restarted, and since when."""

    name: str
    since: datetime


@dataclass(slots=True)
class _Record:
    watched: Watched
    backoff: Backoff
    ready_at: float
    deaths: int = 0
    start_at: float | None = None
    """When it is to be started; None while it runs, or comes up."""
    away: Away | None = None
    down_at: float = 0.0
    came_up: bool = field(default=True)


class Supervision:
    """Looks at each process, and starts again what has ended. It waits for nothing.

    While one that the others need (Redis) is away, none of the others is started.
    """

    def __init__(
        self,
        watched: Sequence[Watched],
        say: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = datetime.now,
        rng: random.Random | None = None,
    ) -> None:
        """All of `watched` run, and are ready."""
        self._records = [
            _Record(one, Backoff(PAUSE_S, PAUSE_MOST_S, rng), clock()) for one in watched
        ]
        self._say = say
        self._clock = clock
        self._now = now

    def look(self) -> None:
        """One round. Raises `CrashLoop`."""
        for record in self._records:
            if record.start_at is not None:
                self._start_when_due(record)
            elif ended := record.watched.ended():
                self._ended(record, ended)
            elif record.away is not None and record.watched.is_ready():
                self._is_back(record)

    def away(self) -> list[Away]:
        """The services that do not run now."""
        return [record.away for record in self._records if record.away is not None]

    def _start_when_due(self, record: _Record) -> None:
        waits = any(other.away and other.watched.needed for other in self._records)
        assert record.start_at is not None
        if (waits and not record.watched.needed) or self._clock() < record.start_at:
            return
        record.start_at = None
        # Somebody else may have its ports by now: it is given others at the next try.
        record.watched.start_again(same_ports=record.came_up)
        record.came_up = False

    def _ended(self, record: _Record, ended: str) -> None:
        name, now = record.watched.name, self._clock()
        if record.came_up and now - record.ready_at >= STABLE_S:
            record.deaths = 0
            record.backoff.reset()
        record.deaths += 1
        why = record.watched.why().strip()
        if record.deaths >= MOST_DEATHS:
            raise CrashLoop(
                f"{name} ended {record.deaths} times, each time within {STABLE_S:.0f} s of its"
                f" start ({ended}{f'; {why}' if why else ''})\n  log: {record.watched.log}"
            )
        if record.away is None:
            record.away, record.down_at = Away(name, self._now()), now
        pause_s = record.backoff.next()
        record.start_at = now + pause_s
        self._say(
            f"{name} ended ({ended}) and is restarted in {pause_s:.1f} s"
            + (f": {why}" if why else "")
        )

    def _is_back(self, record: _Record) -> None:
        now = self._clock()
        self._say(f"{record.watched.name} runs again, after {now - record.down_at:.1f} s")
        record.away, record.ready_at, record.came_up = None, now, True
