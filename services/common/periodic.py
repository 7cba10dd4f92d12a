"""A thread that repeats one step, and reports when it cannot."""

from __future__ import annotations

import threading
from collections.abc import Callable

import redis

from services.common import logs
from services.common.backoff import Backoff
from services.common.heartbeats import LIMIT_S, Heartbeat, Heartbeats

log = logs.get(__name__)

FAILURE_PAUSE_S = 0.5
FAILURE_PAUSE_MOST_S = 5.0

Outage = tuple[type[Exception], ...]


class Rounds:
    """What follows each round of a periodic thread or task.

    Its heartbeat, a log line if something changed, and the pause until the next
    round, which both methods return.
    """

    def __init__(self, name: str, every_s: float, heartbeat: Heartbeat, outages: Outage) -> None:
        self._name = name
        self._every_s = every_s
        self._heartbeat = heartbeat
        self._outages = outages
        self._reachable = True
        self._failures = Backoff(FAILURE_PAUSE_S, FAILURE_PAUSE_MOST_S)

    def finished(self, pause_s: float | None = None) -> float:
        """A round went well. `pause_s`: until the next; None means `every_s`."""
        if not self._reachable:
            log.info("reachable_again", thread=self._name)
        self._reachable = True
        self._failures.reset()
        pause_s = self._every_s if pause_s is None else pause_s
        self._heartbeat.beat(pause_s)
        return pause_s

    def failed(self, error: Exception) -> float:
        """A round ended with `error`. Called while it is handled, so that it can be logged."""
        if isinstance(error, self._outages):
            if self._reachable:
                log.warning("out_of_reach", thread=self._name, error=str(error))
            self._reachable = False
            pause_s: float = max(self._every_s, FAILURE_PAUSE_S)
            self._heartbeat.beat(pause_s)
            return pause_s
        log.exception("round_failed", thread=self._name)
        return self._failures.next()


class Periodic:
    """Runs `step` on a thread of its own until it is stopped.

    `step` returns the seconds to wait until the next round; None means `every_s`.
    An exception never ends the thread. One of `outages` means that something
    we depend on is out of reach: it is logged once, and the thread still counts
    as alive. Any other is our own fault: the thread does not beat, so `/healthz`
    fails once the fault has lasted for `limit_s`.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], float | None],
        every_s: float,
        heartbeats: Heartbeats,
        *,
        limit_s: float = LIMIT_S,
        outages: Outage = (redis.RedisError,),
    ) -> None:
        self._name = name
        self._step = step
        self._every_s = every_s
        self._heartbeats = heartbeats
        self._limit_s = limit_s
        self._heartbeat: Heartbeat | None = None
        self._outages = outages
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin. The first round is at once."""
        self._heartbeat = self._heartbeats.add(self._name, self._limit_s)
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> bool:
        """Begin no further round. Whether the thread ended within `timeout_s`."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        if self._heartbeat is not None:
            self._heartbeats.remove(self._heartbeat)
        return not self._thread.is_alive()

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called: a long step looks at this and returns."""
        return self._stop.is_set()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def wait(self, seconds: float) -> bool:
        """Pause within a step. Whether `stop` was called meanwhile."""
        return self._stop.wait(seconds)

    def _run(self) -> None:
        assert self._heartbeat is not None
        rounds = Rounds(self._name, self._every_s, self._heartbeat, self._outages)
        while not self._stop.is_set():
            try:
                pause_s = rounds.finished(self._step())
            except Exception as error:
                pause_s = rounds.failed(error)
            self._stop.wait(pause_s)
