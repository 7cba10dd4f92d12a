"""The camera registry as those see it that own cameras."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import cast

import redis
from google.protobuf.message import DecodeError

from hermes.v1.camera_pb2 import Camera
from services.common import keys, logs

log = logs.get(__name__)


class CameraRegistry:
    """The cameras that are to be watched, in Redis.

    A Redis that lost its data (restarted without persistence) would look like
    a registry from which every camera was removed. To tell the two apart, the
    first to see an empty Redis writes an incarnation into it; whoever sees the
    incarnation change puts back the cameras that it holds.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._incarnation: bytes | None = None

    def cameras(self, held: Iterable[Camera]) -> dict[str, Camera]:
        """All registered cameras. `held`: those to put back if Redis lost them."""
        self._redis.set(keys.INCARNATION, uuid.uuid4().hex, nx=True)
        incarnation = cast(bytes, self._redis.get(keys.INCARNATION))
        if self._incarnation not in (None, incarnation):
            restored = [
                camera.id
                for camera in held
                if self._redis.hsetnx(keys.CAMERAS, camera.id, camera.SerializeToString())
            ]
            log.warning("redis_lost_its_data", cameras_put_back=restored)
        self._incarnation = incarnation
        found: dict[str, Camera] = {}
        for raw in cast(dict[bytes, bytes], self._redis.hgetall(keys.CAMERAS)).values():
            try:
                camera = Camera.FromString(raw)
            except DecodeError:
                log.error("registry_entry_unreadable")
                continue
            found[camera.id] = camera
        return found
