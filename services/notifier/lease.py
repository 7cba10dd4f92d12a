"""The lease of a sink: one instance of the notifier delivers to it at a time."""

from __future__ import annotations

import time
from collections.abc import Callable

import redis.asyncio
from redis.asyncio.lock import Lock
from redis.exceptions import LockError

from services.common import keys

RENEWALS = 3
"""In the time that a lease lasts."""
SAFETY = 0.1
"""The holder stops this share of the time before the lease ends, by its own clock."""


class LeaseLost(Exception):
    """Another instance may deliver to the sink now."""


class SinkLease:
    """The right to deliver to one sink."""

    def __init__(
        self,
        client: redis.asyncio.Redis,
        sink: str,
        ttl_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lock = Lock(client, keys.notifier_owner(sink), timeout=ttl_s, thread_local=False)
        self._ttl_s = ttl_s
        self._clock = clock
        self._until_s = 0.0
        self._renewed_s = 0.0

    @property
    def left_s(self) -> float:
        """How long we may still deliver; zero or less: not at all."""
        return self._until_s - self._clock()

    def check(self) -> None:
        """Raise `LeaseLost` unless we may deliver now."""
        if self.left_s <= 0:
            raise LeaseLost

    async def take(self) -> bool:
        """Whether the lease is ours from now on. Raises RedisError."""
        asked_s = self._clock()
        if not await self._lock.acquire(blocking=False):
            return False
        self._extend(asked_s)
        return True

    async def renew(self) -> None:
        """Keep the lease, if it is time to. Raises `LeaseLost` and RedisError."""
        self.check()
        asked_s = self._clock()
        if asked_s - self._renewed_s < self._ttl_s / RENEWALS:
            return
        try:
            await self._lock.reacquire()
        except LockError:
            self._until_s = 0.0
            raise LeaseLost from None
        self._extend(asked_s)

    async def release(self) -> None:
        """Give the lease back, if it is still ours. Raises RedisError."""
        self._until_s = 0.0
        try:
            await self._lock.release()
        except LockError:
            return  # it had ended

    def _extend(self, asked_s: float) -> None:
        self._renewed_s = asked_s
        self._until_s = asked_s + self._ttl_s * (1 - SAFETY)
