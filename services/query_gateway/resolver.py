"""Finds the worker that owns a camera now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import redis.asyncio

from hermes.errors import CameraNotFound, CameraNotReady, HermesError, Overloaded, Retryable
from services.common import keys, logs
from services.common.leases import Owner, parse_owner
from services.common.placement import ALIVE_S, Member, parse_members
from services.query_gateway.epochs import Epochs
from services.query_gateway.known_cameras import KnownCameras
from services.query_gateway.redis_link import reaching_redis

log = logs.get(__name__)

RETRY_AFTER_S = 1.0
FULL_RETRY_AFTER_S = 10.0
"""Full workers have room again only after a camera is removed or a worker is added."""
NOT_SERVING_STATES = frozenset({"replaying", "released"})
"""States of a lease in which no question is answered. In other states the worker decides."""


@dataclass(frozen=True, slots=True)
class Route:
    """The worker to ask, and the epoch under which it must answer."""

    camera_id: str
    address: str
    epoch: int


def current(owner: Owner | None, now_ms: int) -> Owner | None:
    """The owner, if its lease holds now; else None.

    `now_ms` is the time on Redis's clock, which leases are measured by. This
    machine's clock may be wrong.
    """
    held = owner is not None and bool(owner.address) and owner.expires_ms > now_ms
    return owner if held else None


def unowned(camera_id: str, workers: Sequence[Member]) -> Retryable:
    """The error for a camera without an owner, given the workers that are alive."""
    workers = [worker for worker in workers if not worker.draining]
    if not workers:
        return CameraNotReady(
            f"no worker is running that could take up camera {camera_id!r}", RETRY_AFTER_S
        )
    if not any(worker.has_room for worker in workers):
        return Overloaded(
            f"every worker is full: camera {camera_id!r} waits for a place", FULL_RETRY_AFTER_S
        )
    return CameraNotReady(
        f"no worker has taken up camera {camera_id!r} yet; one will within seconds", RETRY_AFTER_S
    )


def choose(camera_id: str, owner: Owner, newest_epoch: int) -> Route:
    """The route to a camera's current owner. Raises `CameraNotReady`."""
    if owner.epoch < newest_epoch:
        # This lease is older than one seen before: a replica lags, or Redis was
        # restored from a copy. The owner named here may be a former one.
        raise CameraNotReady(f"camera {camera_id!r} is changing hands", RETRY_AFTER_S)
    if owner.state in NOT_SERVING_STATES:
        raise CameraNotReady(
            f"the memory of camera {camera_id!r} is still catching up", RETRY_AFTER_S
        )
    return Route(camera_id, owner.address, owner.epoch)


class Resolver:
    """Reads owners from Redis: one round trip, and one more for each camera without an owner."""

    def __init__(self, client: redis.asyncio.Redis, epochs: Epochs, known: KnownCameras) -> None:
        self._redis = client
        self._epochs = epochs
        self._known = known

    async def resolve(self, camera_id: str) -> Route:
        """The camera's owner.

        Raises `CameraNotFound`, `CameraNotReady`, `Overloaded` or `Unavailable`.
        """
        found = (await self.resolve_all([camera_id]))[camera_id]
        if isinstance(found, HermesError):
            raise found
        return found

    async def resolve_all(self, camera_ids: Sequence[str]) -> dict[str, Route | HermesError]:
        """The owner of each camera, or why there is none: what `resolve` would raise.

        Raises `Unavailable` if Redis cannot be reached.
        """
        async with reaching_redis():
            async with self._redis.pipeline(transaction=False) as pipeline:
                for camera_id in camera_ids:
                    pipeline.hexists(keys.CAMERAS, camera_id)
                    pipeline.hgetall(keys.lease(camera_id, "worker"))
                pipeline.time()
                *replies, (seconds, micros) = await pipeline.execute()
            now_ms = seconds * 1000 + micros // 1000
            found = zip(camera_ids, replies[::2], replies[1::2], strict=True)
            return {
                camera_id: await self._route(camera_id, registered, fields, now_ms)
                for camera_id, registered, fields in found
            }

    async def _route(
        self, camera_id: str, registered: bool, fields: dict[bytes, Any], now_ms: int
    ) -> Route | HermesError:
        if not registered:
            error = await self._known.missing(camera_id)
            if isinstance(error, CameraNotFound):
                self._epochs.forget(camera_id)
            return error
        owner = current(read_owner(camera_id, fields), now_ms)
        if owner is None:
            raw = await self._redis.hgetall(keys.members("worker"))
            members = cast("Mapping[bytes, bytes]", raw)
            return unowned(camera_id, parse_members(members, now_ms, int(ALIVE_S * 1000)))
        try:
            route = choose(camera_id, owner, self._epochs.newest(camera_id))
        except CameraNotReady as error:
            return error
        self._epochs.saw(camera_id, route.epoch)
        return route


def read_owner(camera_id: str, fields: dict[bytes, Any]) -> Owner | None:
    """The owner that a lease names; None if there is none or it cannot be read."""
    try:
        return parse_owner(fields)
    except ValueError:
        log.error("lease_unreadable", camera=camera_id)
        return None
