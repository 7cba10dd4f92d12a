"""The directory: the registered cameras with their labels, read again at most once a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

import redis.asyncio
from google.protobuf.message import DecodeError

from hermes.errors import InvalidInput
from hermes.v1.camera_pb2 import Camera
from services.common import keys
from services.common.cameras import check_id
from services.query_gateway.redis_link import reaching_redis

KEPT_S = 1.0


class Directory:
    """Cameras by id, for those that select cameras by their labels."""

    def __init__(
        self, client: redis.asyncio.Redis, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._redis = client
        self._clock = clock
        self._cameras: Mapping[str, Camera] = {}
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def cameras(self) -> Mapping[str, Camera]:
        """The cameras as they were at most a second ago. Raises `Unavailable`."""
        async with self._reading:
            if self._clock() - self._read_at >= KEPT_S:
                async with reaching_redis():
                    reply = self._redis.hgetall(keys.CAMERAS)
                    entries = await cast("Awaitable[Mapping[bytes, bytes]]", reply)
                cameras = (_camera(raw) for raw in entries.values())
                self._cameras = {camera.id: camera for camera in cameras if camera is not None}
                self._read_at = self._clock()
        return self._cameras


def _camera(raw: bytes) -> Camera | None:
    try:
        camera = Camera.FromString(raw)
        check_id(camera.id)
    except (DecodeError, InvalidInput):
        return None
    return camera
