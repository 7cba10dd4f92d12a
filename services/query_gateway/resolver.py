"""Who remembers a camera right now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import redis.asyncio

from hermes.errors import CameraNotFound, CameraNotReady
from services.common import keys, logs
from services.common.leases import Owner, parse_owner
from services.query_gateway.epochs import Epochs
from services.query_gateway.redis_link import reaching_redis

log = logs.get(__name__)

RETRY_AFTER_S = 1.0
NOT_SERVING_STATES = frozenset({"replaying", "released"})
"""States of a lease under which no question is answered. In any other, the worker knows best."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where to take a question, and the epoch under which it must be answered."""

    camera_id: str
    address: str
    epoch: int


def choose(camera_id: str, owner: Owner | None, now_ms: int, newest_epoch: int) -> Route:
    """The route to a camera's owner. Raises `CameraNotReady`.

    `now_ms` is Redis's clock, by which leases are measured: this machine's may
    be wrong.
    """
    if owner is None or not owner.address or owner.expires_ms <= now_ms:
        raise CameraNotReady(
            f"no worker has taken up camera {camera_id!r} yet; one will within seconds",
            RETRY_AFTER_S,
        )
    if owner.epoch < newest_epoch:
        # What was read is older than what was seen: a replica that lags, or a
        # Redis put back from a copy. The owner named here may be a former one.
        raise CameraNotReady(f"camera {camera_id!r} is changing hands", RETRY_AFTER_S)
    if owner.state in NOT_SERVING_STATES:
        raise CameraNotReady(
            f"the memory of camera {camera_id!r} is still catching up", RETRY_AFTER_S
        )
    return Route(camera_id, owner.address, owner.epoch)


class Resolver:
    """Reads owners from Redis, in one round trip each."""

    def __init__(self, client: redis.asyncio.Redis, epochs: Epochs) -> None:
        self._redis = client
        self._epochs = epochs

    async def resolve(self, camera_id: str) -> Route:
        """The camera's owner. Raises `CameraNotFound`, `CameraNotReady` or `Unavailable`."""
        async with reaching_redis(), self._redis.pipeline(transaction=False) as pipeline:
            pipeline.hexists(keys.CAMERAS, camera_id)
            pipeline.hgetall(keys.lease(camera_id, "worker"))
            pipeline.time()
            registered, fields, (seconds, micros) = await pipeline.execute()
        if not registered:
            self._epochs.forget(camera_id)
            raise CameraNotFound(camera_id)
        now_ms = seconds * 1000 + micros // 1000
        owner = read_owner(camera_id, fields)
        route = choose(camera_id, owner, now_ms, self._epochs.newest(camera_id))
        self._epochs.saw(camera_id, route.epoch)
        return route


def read_owner(camera_id: str, fields: dict[bytes, Any]) -> Owner | None:
    """The owner that a lease names; None if what is there cannot be read."""
    try:
        return parse_owner(fields)
    except ValueError:
        log.error("lease_unreadable", camera=camera_id)
        return None
