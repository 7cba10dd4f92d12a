"""The cameras that there are: added, shown and removed, in Redis."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import redis.asyncio
from google.protobuf.message import DecodeError

from hermes.errors import CameraExists, CameraNotFound, InvalidInput
from hermes.v1.camera_pb2 import (
    MEMORY_STATE_PENDING,
    MEMORY_STATE_REPLAYING,
    Camera,
    CameraInfo,
    MemoryStatus,
)
from services.common import camera_status, cameras, keys, logs
from services.common.cameras import SourcePolicy
from services.common.redaction import redact
from services.query_gateway.redis_link import reaching_redis
from services.query_gateway.resolver import NOT_SERVING_STATES, current, read_owner

log = logs.get(__name__)


class CameraCatalogue:
    """Cameras in Redis, as clients see them: without their credentials."""

    def __init__(
        self,
        client: redis.asyncio.Redis,
        policy: SourcePolicy,
        seal: Callable[[str], str] = str,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """`seal`: makes of a camera's URL what may lie in Redis."""
        self._redis = client
        self._policy = policy
        self._seal = seal
        self._clock_ns = clock_ns

    async def add(self, camera: Camera) -> CameraInfo:
        """Register a camera. Raises `InvalidInput`, `CameraExists` or `Unavailable`."""
        kept = Camera()
        kept.CopyFrom(cameras.check(camera, self._policy))
        kept.DiscardUnknownFields()
        kept.url = self._seal(kept.url)
        kept.created.FromNanoseconds(self._clock_ns())
        ours = kept.SerializeToString()
        async with reaching_redis(), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hsetnx(keys.CAMERAS, kept.id, ours)
            pipeline.hget(keys.CAMERAS, kept.id)
            _, stored = await pipeline.execute()
        # Asking what is there, rather than whether it was set, also holds when
        # the connection broke after the first try and the client tried again.
        if stored != ours:
            raise CameraExists(kept.id)
        log.info("camera_added", camera=kept.id, url=redact(kept.url))
        return _info(kept, {}, {}, 0)

    async def get(self, camera_id: str) -> CameraInfo:
        """One camera. Raises `InvalidInput`, `CameraNotFound` or `Unavailable`."""
        cameras.check_id(camera_id)
        async with reaching_redis():
            raw = await self._redis.hget(keys.CAMERAS, camera_id)
            shown = await self._show([] if raw is None else [raw])
        if not shown:
            raise CameraNotFound(camera_id)
        return shown[0]

    async def all(self) -> list[CameraInfo]:
        """All cameras, ordered by id. Raises `Unavailable`."""
        async with reaching_redis():
            return await self._show((await self._redis.hgetall(keys.CAMERAS)).values())

    async def remove(self, camera_id: str) -> None:
        """Forget a camera and all that is kept of it, in one step.

        Raises `InvalidInput`, `CameraNotFound` or `Unavailable`.
        """
        cameras.check_id(camera_id)
        async with reaching_redis(), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hdel(keys.CAMERAS, camera_id)
            pipeline.delete(*keys.all_of(camera_id))
            removed, _ = await pipeline.execute()
        if not removed:
            raise CameraNotFound(camera_id)
        log.info("camera_removed", camera=camera_id)

    async def _show(self, registered: Iterable[bytes | str]) -> list[CameraInfo]:
        """The given cameras as they are now, in one round trip for all of them."""
        found = sorted(_readable(registered), key=lambda camera: camera.id)
        async with self._redis.pipeline(transaction=False) as pipeline:
            for camera in found:
                pipeline.hgetall(keys.status(camera.id))
                pipeline.hgetall(keys.lease(camera.id, "worker"))
            pipeline.time()
            *hashes, (seconds, micros) = await pipeline.execute()
        now_ms = seconds * 1000 + micros // 1000
        pairs = zip(hashes[::2], hashes[1::2], strict=True)
        return [
            _info(camera, status, lease, now_ms)
            for camera, (status, lease) in zip(found, pairs, strict=True)
        ]


def _readable(registered: Iterable[bytes | str]) -> Iterable[Camera]:
    for raw in registered:
        try:
            camera = Camera.FromString(cast(bytes, raw))
            cameras.check_id(camera.id)
        except (DecodeError, InvalidInput):
            log.error("registry_entry_unreadable")
            continue
        yield camera


def _info(
    camera: Camera, status: Mapping[bytes, bytes], lease: dict[bytes, Any], now_ms: int
) -> CameraInfo:
    source, memory = camera_status.parse(status)
    source.error_message = redact(source.error_message)
    owner = current(read_owner(camera.id, lease), now_ms)
    if owner is None or owner.epoch != memory.epoch:
        # What a former owner wrote outlives it; its memory does not.
        memory = MemoryStatus(state=MEMORY_STATE_PENDING)
    elif owner.state in NOT_SERVING_STATES:
        memory.state = MEMORY_STATE_REPLAYING  # questions are refused until the lease says more
    return CameraInfo(camera=cameras.without_credentials(camera), source=source, memory=memory)
