"""The camera registry, as the processes that own cameras see it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

import redis
from google.protobuf.message import DecodeError

from hermes.v1.camera_pb2 import Camera
from services.common import keys, logs, tombstones
from services.common.cameras import ID_PATTERN
from services.common.data_marks import DataMarks
from services.common.leases import TTL_S
from services.common.redis_cluster import is_cluster

log = logs.get(__name__)

Standing = Literal["registered", "removed", "unknown"]


class CameraRegistry:
    """The registered cameras, in Redis.

    Redis may forget: all of its data (a restart without persistence), the
    registry (deleted, or evicted), or one camera. Only a tombstone says that a
    camera was removed; one that is missing without a tombstone is put back.

    The first process to see an empty Redis writes an incarnation into it. A new
    incarnation means that leases were lost as well, and their holders may not
    know it yet: each lease is set aside until it would have expired, before its
    camera can be seen again. In a cluster each node has such a mark of its own.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._key = keys.CAMERAS_INCARNATION if is_cluster(client) else keys.INCARNATION
        self._marks = DataMarks(client)
        self._incarnation: bytes | None = None
        self._known: dict[str, Camera] = {}
        self._unreadable: set[bytes] = set()
        self._may_read_tombstones = True

    def cameras(self, held: Iterable[Camera]) -> dict[str, Camera]:
        """All cameras but those that were removed by name, or replaced.

        Cameras that Redis forgot are put back: those that the last call
        returned, and those of `held`.
        """
        ours = {camera.id: self._as_last_seen(camera) for camera in held}
        known = self._known | ours
        nodes = self._marks.lost()
        incarnation, entries = self._read()
        anew = self._incarnation not in (None, incarnation)
        if nodes or anew:
            log.warning("redis_lost_its_data", nodes=sorted(nodes) or None)
            # In a cluster, a camera's lease is on another node than the registry.
            everything = anew and not is_cluster(self._redis)
            for camera_id in known:
                if everything or self._marks.on(nodes, camera_id):
                    self._set_aside(camera_id)
        missing = [camera for camera in known.values() if camera.id.encode() not in entries]
        forgotten = self._forgotten(missing) if missing else []
        if forgotten:
            log.warning("cameras_put_back", cameras=[c.id for c in forgotten if self._put_back(c)])
            after, entries = self._read()
            if after != incarnation:
                raise redis.ConnectionError("Redis lost its data again while it was put back")
        # An entry that cannot be read now, or was lost once more, is not a removal.
        damaged = {id: camera for id, camera in ours.items() if id.encode() in entries}
        found = damaged | {camera.id: camera for camera in forgotten} | self._parse_all(entries)
        self._incarnation = incarnation
        self._known = found
        return found

    @property
    def incarnation(self) -> bytes | None:
        """The incarnation of Redis that the last call of `cameras` saw, of all its nodes."""
        if self._incarnation is None:
            return None
        return b" ".join([self._incarnation, *(v for _, v in sorted(self._marks.seen.items()))])

    def look_up(self, camera: Camera) -> Standing:
        """Whether this very camera is registered now.

        `unknown` if Redis lost it, or all of its data, since the last call of `cameras`.
        """
        with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.hget(keys.CAMERAS, camera.id)
            pipeline.get(self._key)  # read last: a change of what was read before is seen
            raw, incarnation = pipeline.execute()
        current = None if raw is None else self._parse(camera.id.encode(), raw)
        if incarnation != self._incarnation or self._marks.changed(camera.id):
            return "unknown"
        if current is not None:
            return "registered" if current.created == camera.created else "removed"
        return "unknown" if self._forgotten([camera]) else "removed"

    def _as_last_seen(self, camera: Camera) -> Camera:
        """As it was in the registry last: its labels change while it is held."""
        known = self._known.get(camera.id)
        return known if known is not None and known.created == camera.created else camera

    def _forgotten(self, missing: list[Camera]) -> list[Camera]:
        """Of the cameras that are missing, those that nobody removed."""
        with self._redis.pipeline(transaction=False) as pipeline:
            for camera in missing:
                pipeline.get(keys.removed(camera.id))
            replies = pipeline.execute(raise_on_error=False)
        stones = [self._tombstone(reply) for reply in replies]
        return [
            camera
            for camera, stone in zip(missing, stones, strict=True)
            if not tombstones.covers(stone, camera)
        ]

    def _tombstone(self, reply: bytes | Exception | None) -> bytes | None:
        if not isinstance(reply, Exception):
            return reply
        if not isinstance(reply, redis.ResponseError):
            raise reply
        # No right to read it, or no string: that one camera is not removed.
        if self._may_read_tombstones:
            self._may_read_tombstones = False
            log.error("tombstones_unreadable", error=str(reply))
        return None

    def _put_back(self, camera: Camera) -> bool:
        self._set_aside(camera.id)
        return bool(self._redis.hsetnx(keys.CAMERAS, camera.id, camera.SerializeToString()))

    def _set_aside(self, camera_id: str) -> None:
        for role in get_args(keys.Role):
            self._redis.set(keys.aside(camera_id, role), 1, px=int(TTL_S * 1000), nx=True)

    def _read(self) -> tuple[bytes, dict[bytes, bytes]]:
        with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.set(self._key, uuid.uuid4().hex, nx=True)
            pipeline.get(self._key)
            pipeline.hgetall(keys.CAMERAS)
            replies: list[Any] = pipeline.execute()
        _, incarnation, entries = replies
        return incarnation, entries

    def _parse_all(self, entries: Mapping[bytes, bytes]) -> dict[str, Camera]:
        parsed = (self._parse(id, raw) for id, raw in entries.items())
        return {camera.id: camera for camera in parsed if camera is not None}

    def _parse(self, id: bytes, raw: bytes) -> Camera | None:
        try:
            camera = Camera.FromString(raw)
        except DecodeError:
            camera = Camera()
        if camera.id.encode() == id and ID_PATTERN.fullmatch(camera.id):
            return camera
        if id not in self._unreadable:  # logged once, not in every round
            self._unreadable.add(id)
            log.error("registry_entry_unreadable", field=id)
        return None
