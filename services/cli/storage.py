"""The disk that a run writes to: whether it can be written, and what is done if not.

A Redis that cannot write its append-only file refuses every write, and leases with them: nothing
would be answered any more because of a full disk. So our own Redis keeps its data in memory alone
until the disk can be written to again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from services.cli.disk import why_unwritable
from services.cli.redis_server import LocalRedis

LOOK_EVERY_S = 2.0
CALL_TIMEOUT_S = 0.5


class Storage:
    """Looks at the folder and at the append-only file every other second."""

    def __init__(
        self, folder: Path, server: LocalRedis | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._look_at = clock()
        self._problem = ""
        ours = server is not None and server.process is not None
        self._client = (
            redis.Redis.from_url(
                server.url,
                socket_timeout=CALL_TIMEOUT_S,
                socket_connect_timeout=CALL_TIMEOUT_S,
                retry=Retry(NoBackoff(), 0),
            )
            if server is not None and ours
            else None
        )

    def look(self) -> str:
        """What is wrong with the disk, and what still works; empty if it is well."""
        if self._clock() >= self._look_at:
            why = why_unwritable(self._folder)
            if self._client is not None:
                why = self._keep_redis_going(self._client, why)
            self._problem = why and (
                f"{self._folder}: {why}: cameras are watched and questions answered, but nothing"
                " is kept for the next run until there is room"
            )
            self._look_at = self._clock() + LOOK_EVERY_S
        return self._problem

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()

    def _keep_redis_going(self, client: redis.Redis, why: str) -> str:
        try:
            known = client.info("persistence")
            appends = bool(known.get("aof_enabled"))
            failed = known.get("aof_last_write_status") != "ok"
            if appends and (why or failed):
                client.config_set("appendonly", "no")
                return why or "the disk is full for the data of Redis"
            if not appends and not why:
                client.config_set("appendonly", "yes")
        except (redis.RedisError, OSError):
            pass  # Redis is away: supervision sees to it
        return why
