"""A task of an event loop that repeats one step: `Periodic` without a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import redis

from services.common.heartbeats import LIMIT_S, Heartbeat, Heartbeats
from services.common.periodic import Outage, Rounds

LOOP_BEAT_S = 1.0
LOOP_LIMIT_S = 20.0
"""An event loop that has not run a task for this long is stuck."""

CANCEL_AGAIN_S = 1.0
"""How long a cancelled round may take to end before it is cancelled again."""


class PeriodicTask:
    """Awaits `step` again and again until it is stopped. Belongs to the running loop.

    As with `Periodic`, an exception never ends it, an outage of what we depend on
    counts as a sign of life, and any other fault does not: `/healthz` fails once a
    step has failed or hung for `limit_s`.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], Awaitable[None]],
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
        self._outages = outages
        self._heartbeat: Heartbeat | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin. The first round is at once."""
        self._heartbeat = self._heartbeats.add(self._name, self._limit_s)
        self._task = asyncio.create_task(self._run(self._heartbeat), name=self._name)

    async def stop(self) -> None:
        """Cancel the round that runs, and begin no other."""
        if self._task is None or self._heartbeat is None:
            return
        while not self._task.done():
            # A library that gives up waiting just then can swallow a cancellation.
            self._task.cancel()
            await asyncio.wait([self._task], timeout=CANCEL_AGAIN_S)
        self._heartbeats.remove(self._heartbeat)

    async def _run(self, heartbeat: Heartbeat) -> None:
        rounds = Rounds(self._name, self._every_s, heartbeat, self._outages)
        while True:
            try:
                await self._step()
                pause_s = rounds.finished()
            except Exception as error:
                pause_s = rounds.failed(error)
            await asyncio.sleep(pause_s)


def event_loop_watch(heartbeats: Heartbeats) -> PeriodicTask:
    """The heartbeat `event-loop`, which is late when a call blocks the loop."""

    async def nothing() -> None:
        """Running at all is the sign of life."""

    return PeriodicTask("event-loop", nothing, LOOP_BEAT_S, heartbeats, limit_s=LOOP_LIMIT_S)
