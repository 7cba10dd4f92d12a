"""The gateway's link to Redis: prompt errors while it is down, and a watch on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import redis
import redis.asyncio

from hermes.errors import Unavailable
from services.common import logs
from services.common.eviction import EvictionCheck
from services.common.metrics import Metrics
from services.query_gateway.known_cameras import KnownCameras

log = logs.get(__name__)

TIMEOUT_S = 2.0
"""Time for all that one call does in Redis, reconnecting included."""
WATCH_EVERY_S = 1.0
RETRY_AFTER_S = 1.0


@asynccontextmanager
async def reaching_redis(waiting_s: float = 0.0) -> AsyncIterator[None]:
    """Make Redis calls inside fail with `Unavailable`, within `TIMEOUT_S`.

    `waiting_s`: how long what is inside waits for something else.
    """
    try:
        async with asyncio.timeout(TIMEOUT_S + waiting_s):
            yield
    except (redis.RedisError, OSError, TimeoutError) as error:
        log.warning("redis_call_failed", error=f"{type(error).__name__}: {error}")
        raise Unavailable(
            "the registry of cameras cannot be reached right now", RETRY_AFTER_S
        ) from error


class RedisWatch:
    """Reports when Redis goes away and when it is back, and counts the registered cameras."""

    def __init__(
        self,
        client: redis.asyncio.Redis,
        known: KnownCameras,
        tell: Callable[[bool], Awaitable[None]],
        metrics: Metrics,
    ) -> None:
        self._redis = client
        self._known = known
        self._eviction = EvictionCheck(metrics)
        self._tell = tell
        self._metrics = metrics
        self._up: bool | None = None

    async def step(self) -> None:
        """Check Redis once. To be awaited every `WATCH_EVERY_S`."""
        up = await self._look()
        if up != self._up:
            (log.info if up else log.warning)("redis_reachable" if up else "redis_unreachable")
            self._up = up
            await self._tell(up)

    async def _look(self) -> bool:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                cameras = await self._known.refresh()
                if self._eviction.due:
                    await self._check_eviction()
        except (redis.RedisError, OSError, TimeoutError):
            return False
        self._metrics.cameras_registered.set(cameras)
        return True

    async def _check_eviction(self) -> None:
        try:
            self._eviction.take(await self._redis.info("memory"))
        except redis.ResponseError as error:  # NoPermissionError is one
            self._eviction.unknown(str(error))
