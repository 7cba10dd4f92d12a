"""The camera registry as those see it that own cameras."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any, Literal, get_args

import redis
from google.protobuf.message import DecodeError

from hermes.v1.camera_pb2 import Camera
from services.common import keys, logs
from services.common.cameras import ID_PATTERN
from services.common.leases import TTL_S

log = logs.get(__name__)

Standing = Literal["registered", "removed", "unknown"]


class CameraRegistry:
    """The cameras that are to be watched, in Redis.

    A Redis that lost its data (restarted without persistence) would look like
    a registry from which every camera was removed. To tell the two apart, the
    first to see an empty Redis writes an incarnation into it; whoever sees the
    incarnation change puts back the cameras that it knew.

    Their leases are lost as well, and the holders may not know it yet: each
    is set aside until it has run out, before its camera can be seen again.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._incarnation: bytes | None = None
        self._seen: dict[str, Camera] = {}
        self._unreadable: set[bytes] = set()

    def cameras(self, held: Iterable[Camera]) -> dict[str, Camera]:
        """All registered cameras. `held`: those to put back if Redis lost them.

        Those that the last call returned are put back as well: a camera that
        nobody has taken yet is nobody's held one.
        """
        incarnation, found = self._read()
        if self._incarnation not in (None, incarnation):
            known = self._seen | {camera.id: camera for camera in held}
            restored = [camera.id for camera in known.values() if self._put_back(camera)]
            log.warning("redis_lost_its_data", cameras_put_back=restored)
            after, found = self._read()
            if after != incarnation:
                raise redis.ConnectionError("Redis lost its data again while it was put back")
        self._incarnation = incarnation
        self._seen = found
        return found

    def _put_back(self, camera: Camera) -> bool:
        for role in get_args(keys.Role):
            self._redis.set(keys.aside(camera.id, role), 1, px=int(TTL_S * 1000), nx=True)
        return bool(self._redis.hsetnx(keys.CAMERAS, camera.id, camera.SerializeToString()))

    @property
    def incarnation(self) -> bytes | None:
        """Which Redis the last call of `cameras` saw."""
        return self._incarnation

    def look_up(self, camera: Camera) -> Standing:
        """How it stands with this very camera now.

        `unknown` if Redis lost its data since the last call of `cameras`:
        then that it is not there says nothing.
        """
        with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.hget(keys.CAMERAS, camera.id)
            pipeline.get(keys.INCARNATION)  # asked for last: what changed it is seen
            raw, incarnation = pipeline.execute()
        if incarnation != self._incarnation:
            return "unknown"
        current = None if raw is None else self._parse(camera.id.encode(), raw)
        same = current is not None and current.created == camera.created
        return "registered" if same else "removed"

    def _read(self) -> tuple[bytes, dict[str, Camera]]:
        with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.set(keys.INCARNATION, uuid.uuid4().hex, nx=True)
            pipeline.get(keys.INCARNATION)
            pipeline.hgetall(keys.CAMERAS)
            replies: list[Any] = pipeline.execute()
        _, incarnation, entries = replies
        parsed = (self._parse(id, raw) for id, raw in entries.items())
        return incarnation, {camera.id: camera for camera in parsed if camera is not None}

    def _parse(self, id: bytes, raw: bytes) -> Camera | None:
        try:
            camera = Camera.FromString(raw)
        except DecodeError:
            camera = Camera()
        if camera.id.encode() == id and ID_PATTERN.fullmatch(camera.id):
            return camera
        if id not in self._unreadable:  # said once, not at every round
            self._unreadable.add(id)
            log.error("registry_entry_unreadable", field=id)
        return None
