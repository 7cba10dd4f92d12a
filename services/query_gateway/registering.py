"""Puts an entry into a registry in Redis, within what its caller may have there.

What a caller holds is counted in the registry itself, by who created each entry: so it is
right at every gateway, whatever else adds, removes or puts back entries.
"""

from __future__ import annotations

from typing import Any, Protocol, cast

import redis
import redis.asyncio
from google.protobuf.message import DecodeError

from hermes.v1.camera_pb2 import Camera
from hermes.v1.watch_pb2 import Watch
from services.common import keys
from services.query_gateway.access.token_limits import Quota


class _Created(Protocol):
    created_by: str


_READERS: dict[str, Any] = {keys.CAMERAS: Camera, keys.WATCHES: Watch}


async def register(
    client: redis.asyncio.Redis,
    registry: str,
    entry_id: str,
    ours: bytes,
    quota: Quota,
    version: str = "",
) -> bytes | None:
    """Add an entry unless its id is taken. Returns what is registered by this id now.

    The count and the new entry are one step: it is made again if the registry changed
    meanwhile, at any gateway. `version`: a key that grows with the registry's changes.
    Raises `LimitReached` and `redis.RedisError`.
    """
    async with client.pipeline(transaction=True) as pipeline:
        while True:
            if quota.bounds:
                await pipeline.watch(registry)
                stored = cast("bytes | None", await pipeline.hget(registry, entry_id))
                if stored is not None:
                    return stored
                await _check(pipeline, registry, quota)
                cast(Any, pipeline).multi()
            pipeline.hsetnx(registry, entry_id, ours)
            if version:
                pipeline.incr(version)
            pipeline.hget(registry, entry_id)
            try:
                *_, stored = await pipeline.execute()
            except redis.WatchError:
                continue
            return cast("bytes | None", stored)


async def _check(pipeline: Any, registry: str, quota: Quota) -> None:
    if await pipeline.hlen(registry) < quota.most:
        return  # fewer than that are registered by all callers together
    entries = await pipeline.hgetall(registry)
    quota.check(sum(_creator(registry, raw) == quota.who for raw in entries.values()))


def _creator(registry: str, raw: bytes) -> str:
    try:
        return str(cast(_Created, _READERS[registry].FromString(raw)).created_by)
    except DecodeError:
        return ""
