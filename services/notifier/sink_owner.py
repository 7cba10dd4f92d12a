"""The owner of a sink in one instance: waits for the sink's lease, and delivers while it lasts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import redis

from services.common import logs
from services.notifier.lease import LeaseLost, SinkLease
from services.notifier.sink_tenure import SinkTenure

log = logs.get(__name__)

LOOK_EVERY_S = 1.0
"""How often an instance that does not own the sink looks whether it may."""


class SinkOwner:
    """One sink's owner or successor. `make` begins a tenure."""

    def __init__(
        self, name: str, lease: SinkLease, make: Callable[[], Awaitable[SinkTenure]]
    ) -> None:
        self.name = name
        self._lease = lease
        self._make = make
        self._tenure: SinkTenure | None = None

    @property
    def owns(self) -> bool:
        """Whether this instance delivers to the sink."""
        return self._tenure is not None

    async def step(self) -> None:
        """Take the lease or renew it, and read messages. Takes a few seconds at most.

        Raises RedisError.
        """
        try:
            if self._tenure is None:
                await self._begin()
            else:
                await self._go_on(self._tenure)
        except LeaseLost:
            await self.stop()

    async def stop(self) -> None:
        """End the tenure, if there is one, and let another instance have the sink."""
        tenure, self._tenure = self._tenure, None
        if tenure is not None:
            await tenure.close()
        with suppress(redis.RedisError):
            await self._lease.release()

    async def _begin(self) -> None:
        if not await self._lease.take():
            await asyncio.sleep(LOOK_EVERY_S)
            return
        try:
            tenure = await self._make()
            await tenure.open()
        except BaseException:
            with suppress(redis.RedisError):
                await self._lease.release()
            raise
        self._tenure = tenure
        log.info("sink_taken", sink=self.name)

    async def _go_on(self, tenure: SinkTenure) -> None:
        try:
            await self._lease.renew()
            await tenure.step()
        except (LeaseLost, redis.ConnectionError, redis.TimeoutError):
            raise  # a tenure outlasts a Redis that is away for less than the lease
        except Exception:
            await self.stop()
            raise
