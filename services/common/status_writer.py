"""Writes the status of the cameras that a service owns into Redis."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable

import redis

from services.common import logs
from services.common.camera_status import Fields
from services.common.heartbeats import Heartbeats
from services.common.leases import Lease, Leases
from services.common.metrics import Metrics
from services.common.periodic import Periodic

log = logs.get(__name__)

EVERY_S = 1.0
CHECK_EVERY_S = 0.1
"""How often a writer that was given `urgent` looks for a change."""


class StatusWriter:
    """Writes what `read` returns once a second, on a thread of its own.

    `read` returns each camera's lease and status fields. A change of what `urgent`
    returns is written at once; without `urgent` everything waits for its turn.
    Both are called on the writer's thread. Writes that Redis refuses because the
    lease has gone to another owner are counted. An exception never ends the
    thread: see `Periodic`.
    """

    def __init__(
        self,
        read: Callable[[], Iterable[tuple[Lease, Fields]]],
        leases: Leases,
        metrics: Metrics,
        heartbeats: Heartbeats,
        *,
        urgent: Callable[[], Hashable] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._leases = leases
        self._metrics = metrics
        self._urgent = urgent
        self._clock = clock
        self._written: Hashable = None
        self._written_at = -EVERY_S
        pause_s = EVERY_S if urgent is None else CHECK_EVERY_S
        self._periodic = Periodic("status-writer", self.step, pause_s, heartbeats)

    def start(self) -> None:
        """Start writing."""
        self._periodic.start()

    def stop(self) -> None:
        """Write once more, if Redis can be reached, and end."""
        if not self._periodic.stop():
            return  # a write is stuck: another one would be, too
        try:
            self.write()
        except redis.RedisError as error:
            log.debug("last_status_not_written", error=str(error))
        except Exception:
            log.exception("last_status_not_written")

    def step(self) -> None:
        """One round: write if it is time to, or if something urgent has changed."""
        # Read before the fields: a change in between is then written twice, never missed.
        now = self._clock()
        state = None if self._urgent is None else self._urgent()
        if self._urgent is None or state != self._written or now - self._written_at >= EVERY_S:
            self.write()
            self._written, self._written_at = state, now

    def write(self) -> None:
        """Write every camera's status in one round trip. Raises `redis.RedisError`."""
        fenced = self._leases.put_status(self._read())
        if fenced:
            self._metrics.fenced_writes.inc(fenced)
