"""Adds, shows, changes and removes the registered cameras, in Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from typing import Any, cast

import redis
import redis.asyncio
from google.protobuf.message import DecodeError

from hermes.errors import CameraExists, CameraNotFound, InvalidInput, Unavailable
from hermes.selector import Selector
from hermes.v1.camera_pb2 import (
    MEMORY_STATE_EMPTY,
    MEMORY_STATE_PENDING,
    MEMORY_STATE_REPLAYING,
    MEMORY_STATE_SERVING,
    Camera,
    CameraInfo,
    MemoryStatus,
)
from services.common import camera_status, cameras, keys, logs, tombstones
from services.common.cameras import SourcePolicy
from services.common.redaction import redact
from services.common.redis_cluster import is_cluster
from services.query_gateway.access.token_limits import UNBOUNDED, Quota
from services.query_gateway.camera_update import CameraUpdate
from services.query_gateway.known_cameras import KnownCameras, text_of
from services.query_gateway.places import Places
from services.query_gateway.redis_link import RETRY_AFTER_S, reaching_redis
from services.query_gateway.registering import register
from services.query_gateway.resolver import NOT_SERVING_STATES, current, read_owner

log = logs.get(__name__)

NS_PER_MS = 1_000_000
EVERYTHING = Selector()


class CameraCatalogue:
    """Cameras in Redis, as clients see them: without their credentials."""

    def __init__(
        self,
        client: redis.asyncio.Redis,
        policy: SourcePolicy,
        known: KnownCameras,
        seal: Callable[[str], str] = str,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """`seal`: converts a camera's URL to the form that Redis stores."""
        self._redis = client
        self._known = known
        self._policy = policy
        self._seal = seal
        self._clock_ns = clock_ns
        self._adding = asyncio.Lock()
        self._updating = asyncio.Lock()

    async def add(self, camera: Camera, quota: Quota = UNBOUNDED) -> CameraInfo:
        """Register a camera, within what its caller may have.

        Raises `InvalidInput`, `CameraExists`, `LimitReached` or `Unavailable`.
        """
        kept = Camera()
        kept.CopyFrom(cameras.check(camera, self._policy))
        kept.DiscardUnknownFields()
        kept.url = self._seal(kept.url)
        kept.created_by = quota.who
        async with reaching_redis():
            kept.created.FromNanoseconds(await self._created_ns(kept.id))
            ours = kept.SerializeToString()
            async with self._adding if quota.bounds else nullcontext():
                stored = await register(self._redis, keys.CAMERAS, kept.id, ours, quota)
        # Comparing the stored entry, rather than asking whether it was set, is also
        # right when the connection broke after the first try and the client retried.
        if stored != ours:
            raise CameraExists(kept.id)
        self._known.saw([kept.id])
        log.info("camera_added", camera=kept.id, url=redact(kept.url))
        return await self._added(kept)

    async def _added(self, camera: Camera) -> CameraInfo:
        """A new camera, with what it waits for. It was added, even if that cannot be read."""
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                pipeline.hgetall(keys.members("worker"))
                pipeline.time()
                pipeline.hgetall(keys.members("decoder"))
                workers, time_, decoders = await pipeline.execute(raise_on_error=False)
            seconds, micros = time_
        except (redis.RedisError, TypeError):
            return _info(camera, {}, {}, 0, Places())
        places = Places.of(decoders, workers, seconds * 1000 + micros // 1000)
        return _info(camera, {}, {}, 0, places)

    async def _created_ns(self, camera_id: str) -> int:
        """Creation time of a camera that is added now, later than the last removal of its id.

        Raises `Unavailable` for a camera that Redis has forgotten: adding it again
        would replace it and delete its memory.
        """
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.hexists(keys.CAMERAS, camera_id)
            pipeline.get(keys.removed(camera_id))
            registered, tombstone = await pipeline.execute()
        if not registered:
            error = await self._known.missing(camera_id)
            if isinstance(error, Unavailable):
                raise error
        removed_ns = tombstones.newest_removed(tombstone) or 0
        return max(self._clock_ns(), removed_ns + NS_PER_MS)  # this clock may be slow

    async def get(self, camera_id: str) -> CameraInfo:
        """One camera. Raises `InvalidInput`, `CameraNotFound` or `Unavailable`."""
        cameras.check_id(camera_id)
        async with reaching_redis():
            raw = await self._redis.hget(keys.CAMERAS, camera_id)
            if raw is None:
                raise await self._known.missing(camera_id)
            shown = await self._show([raw])
        if not shown:
            raise CameraNotFound(camera_id)
        return shown[0]

    async def all(self, selector: Selector = EVERYTHING) -> list[CameraInfo]:
        """The cameras that are selected, ordered by id. Raises `Unavailable`."""
        async with reaching_redis():
            entries = await self._redis.hgetall(keys.CAMERAS)
            registered = [text_of(field) for field in entries]
            if not await self._known.check_all(registered):
                raise Unavailable("the registry of cameras is being put back", RETRY_AFTER_S)
            self._known.saw(registered)
            return await self._show(entries.values(), selector)

    async def registered(self) -> list[Camera]:
        """The settings of all cameras, ordered by id, without their state. Raises `Unavailable`."""
        async with reaching_redis():
            entries = await self._redis.hgetall(keys.CAMERAS)
            known = [text_of(field) for field in entries]
            if not await self._known.check_all(known):
                raise Unavailable("the registry of cameras is being put back", RETRY_AFTER_S)
            self._known.saw(known)
        return sorted(_readable(entries.values()), key=lambda camera: camera.id)

    async def update(self, update: CameraUpdate) -> CameraInfo:
        """Change what does not concern frames and memory: both stay, and so does `created`.

        Raises `InvalidInput`, `CameraNotFound` or `Unavailable`.
        """
        async with reaching_redis():
            async with self._updating:  # only other gateways are raced with
                entry = await self._updated(update)
            shown = await self._show([entry])
        log.info("camera_updated", camera=update.camera_id)
        return shown[0]

    async def _updated(self, update: CameraUpdate) -> bytes | str:
        """Replace the camera's entry in one step. Returns the new one.

        It is made again from what is there if the registry changed meanwhile: what
        another gateway changed is kept, and a removed camera does not come back.
        """
        camera_id = update.camera_id
        async with self._redis.pipeline(transaction=True) as pipeline:
            while True:
                await pipeline.watch(keys.CAMERAS)
                entry = cast("bytes | None", await pipeline.hget(keys.CAMERAS, camera_id))
                if entry is None:
                    raise await self._known.missing(camera_id)
                camera = next(iter(_readable([entry])), None)
                if camera is None:
                    raise CameraNotFound(camera_id)
                changed = update.applied_to(camera)
                if changed == camera:
                    return entry
                raw = changed.SerializeToString()
                cast(Any, pipeline).multi()
                # No HSET: no user of Redis has the right to overwrite a camera unseen.
                pipeline.hdel(keys.CAMERAS, camera_id)
                pipeline.hsetnx(keys.CAMERAS, camera_id, raw)
                try:
                    await pipeline.execute()
                except redis.WatchError:
                    continue
                return raw

    async def remove(self, camera_id: str) -> None:
        """Remove a camera with all its keys, in one step, and leave a tombstone.

        The tombstone tells other processes that the camera was removed, and not
        lost by Redis. Raises `InvalidInput`, `CameraNotFound` or `Unavailable`.
        """
        cameras.check_id(camera_id)
        async with reaching_redis():
            entry = await self._redis.hget(keys.CAMERAS, camera_id)
            if entry is None:
                error = await self._known.missing(camera_id)
                if isinstance(error, CameraNotFound):
                    raise error
            try:
                found = await self._remove(camera_id, entry)
            except redis.OutOfMemoryError:
                # A tombstone needs room. The camera's frames are deleted in any case.
                await self._redis.delete(keys.frames(camera_id))
                found = await self._remove(camera_id, entry)
            if found is None and entry is not None:
                raise CameraNotFound(camera_id)
            if found is not None and found != entry:  # it was replaced, or put back, meanwhile
                await self._remove(camera_id, found)
        self._known.forget(camera_id)
        log.info("camera_removed", camera=camera_id)

    async def _remove(self, camera_id: str, entry: bytes | str | None) -> bytes | str | None:
        """Remove the camera. Returns the entry that was removed."""
        if is_cluster(self._redis):
            return await self._remove_in_steps(camera_id, entry)
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hget(keys.CAMERAS, camera_id)
            pipeline.hdel(keys.CAMERAS, camera_id)
            pipeline.delete(*keys.all_of(camera_id))
            pipeline.set(
                keys.removed(camera_id),
                self._created_of(entry),
                px=int(tombstones.KEEP_S * 1000),
            )
            found, *_ = await pipeline.execute()
        return cast("bytes | str | None", found)

    async def _remove_in_steps(
        self, camera_id: str, entry: bytes | str | None
    ) -> bytes | str | None:
        """The same in a cluster, where the registry is in another slot than the camera.

        First the tombstone, so that the camera is never missing without one. What a
        removal leaves behind that breaks off here is removed when it is called again.
        """
        ttl_ms = int(tombstones.KEEP_S * 1000)
        await self._redis.set(keys.removed(camera_id), self._created_of(entry), px=ttl_ms)
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hget(keys.CAMERAS, camera_id)
            pipeline.hdel(keys.CAMERAS, camera_id)
            found, _ = await pipeline.execute()
        await self._redis.delete(*keys.all_of(camera_id))
        return cast("bytes | str | None", found)

    def _created_of(self, entry: bytes | str | None) -> int:
        """`created` (ns) of an entry; now, if the entry cannot be read."""
        for camera in _readable([] if entry is None else [entry]):
            return tombstones.created_ns(camera)
        return self._clock_ns()

    async def _show(
        self, registered: Iterable[bytes | str], selector: Selector = EVERYTHING
    ) -> list[CameraInfo]:
        """The current state of the cameras that are selected, read in one round trip."""
        selected = (one for one in _readable(registered) if selector.matches(one.labels))
        found = sorted(selected, key=lambda camera: camera.id)
        async with self._redis.pipeline(transaction=False) as pipeline:
            for camera in found:
                pipeline.hgetall(keys.status(camera.id))
                pipeline.hgetall(keys.lease(camera.id, "worker"))
            pipeline.hgetall(keys.members("worker"))
            pipeline.time()
            pipeline.hgetall(keys.members("decoder"))
            *replies, decoders = await pipeline.execute(raise_on_error=False)
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        *hashes, workers, (seconds, micros) = replies
        now_ms = seconds * 1000 + micros // 1000
        places = Places.of(decoders, workers, now_ms)
        pairs = zip(hashes[::2], hashes[1::2], strict=True)
        return [
            _info(camera, status, lease, now_ms, places)
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
    camera: Camera,
    status: Mapping[bytes, bytes],
    lease: dict[bytes, Any],
    now_ms: int,
    places: Places,
) -> CameraInfo:
    source, memory = camera_status.parse(status)
    source.error_message = redact(source.error_message)
    owner = current(read_owner(camera.id, lease), now_ms)
    if owner is None or owner.epoch != memory.epoch:
        # A former owner's status stays in Redis after its memory is gone.
        memory = MemoryStatus(state=MEMORY_STATE_PENDING)
    elif owner.state in NOT_SERVING_STATES:
        memory.state = MEMORY_STATE_REPLAYING  # questions are refused until the lease says more
    elif memory.state == MEMORY_STATE_SERVING and not (
        memory.frames or memory.coverage.frames_seen
    ):
        memory.state = MEMORY_STATE_EMPTY
    places.explain(source, memory)
    return CameraInfo(camera=cameras.without_credentials(camera), source=source, memory=memory)
