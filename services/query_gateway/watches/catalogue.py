"""Creates, shows, changes and deletes the registered watches, in Redis."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any, cast

import redis
import redis.asyncio

from hermes.errors import PermissionDenied, WatchExists, WatchNotFound
from hermes.v1.camera_pb2 import Camera
from hermes.v1.event_pb2 import SEVERITY_WARNING
from hermes.v1.watch_pb2 import Watch, WatchInfo
from services.common import keys, logs, tombstones
from services.common.cameras import check_id
from services.common.placement import ALIVE_S, parse_members
from services.common.times import MAX_SECONDS
from services.common.watch_registry import WatchTombstone, parse_watches
from services.common.watch_room import parse_rooms
from services.common.watch_rules import check_watch, covers, hours_of
from services.query_gateway.access.confinement import EVERYTHING, confined_to, may_watch_all
from services.query_gateway.access.scopes import Action
from services.query_gateway.access.token_limits import UNBOUNDED, Quota
from services.query_gateway.access.viewer import Viewer
from services.query_gateway.directory import Directory
from services.query_gateway.events.store import EventStore
from services.query_gateway.redis_link import reaching_redis
from services.query_gateway.registering import register
from services.query_gateway.watches.admission import admit
from services.query_gateway.watches.changes import WatchChanges

log = logs.get(__name__)

NS_PER_MS = 1_000_000


class WatchCatalogue:
    """Watches in Redis, as their callers see them.

    A caller sees a watch if it may see one of the cameras that the watch means now,
    or may watch all that it could mean. It changes or deletes it only in the second
    case.
    """

    def __init__(
        self,
        client: redis.asyncio.Redis,
        directory: Directory,
        events: EventStore,
        max_text_chars: int,
        max_tokens: int,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._redis = client
        self._directory = directory
        self._events = events
        self._limits = (max_text_chars, max_tokens)
        self._clock_ns = clock_ns
        self._unreadable: set[bytes] = set()
        self._updating = asyncio.Lock()

    def check(self, watch: Watch, viewer: Viewer) -> Watch:
        """A copy as it would be kept, confined to what the viewer may watch.

        Raises `InvalidInput` or `PermissionDenied`.
        """
        kept = Watch()
        kept.CopyFrom(check_watch(watch, *self._limits))
        kept.DiscardUnknownFields()
        for name in ("created", "version", "within", "created_by"):
            kept.ClearField(name)
        if not kept.severity:
            kept.severity = SEVERITY_WARNING
        _confine(kept, viewer)
        return kept

    async def create(self, watch: Watch, viewer: Viewer, quota: Quota = UNBOUNDED) -> WatchInfo:
        """Register a watch, within what its caller may have.

        Raises `InvalidInput`, `PermissionDenied`, `WatchExists`, `LimitReached`, `Overloaded`
        or `Unavailable`.
        """
        kept = self.check(watch, viewer)
        kept.created_by = quota.who
        cameras = await self._directory.cameras()
        async with reaching_redis():
            stone = await cast("Awaitable[Any]", self._redis.get(keys.watch_removed(kept.id)))
            removed = WatchTombstone.parse(stone)
            kept.version = removed.version + 1
            created_ns = max(self._clock_ns(), removed.created_ns + NS_PER_MS)
            kept.created.FromNanoseconds(min(created_ns, MAX_SECONDS * 10**9))
            registered = await self._watches()
            if kept.id in registered:
                raise WatchExists(kept.id)
            await self._admit(kept, None, registered, cameras)
            ours = kept.SerializeToString()
            async with self._updating if quota.bounds else nullcontext():
                stored = await register(
                    self._redis, keys.WATCHES, kept.id, ours, quota, keys.WATCHES_VERSION
                )
        if stored != ours:  # also right if the connection broke, and the client tried again
            raise WatchExists(kept.id)
        log.info("watch_created", watch=kept.id)
        return _info(kept, viewer, cameras, Counter(), self._clock_ns())

    async def get(self, watch_id: str, viewer: Viewer) -> WatchInfo:
        """One watch. Raises `InvalidInput`, `WatchNotFound` or `Unavailable`."""
        check_id(watch_id, "watch_id")
        for info in await self.all(viewer):
            if info.watch.id == watch_id:
                return info
        raise WatchNotFound(watch_id)

    async def all(self, viewer: Viewer, camera_id: str = "") -> list[WatchInfo]:
        """The watches that the viewer may see, ordered by id; of one camera, if it is given.

        Raises `Unavailable`.
        """
        cameras = await self._directory.cameras()
        async with reaching_redis():
            registered = await self._watches()
            opened = await self._events.open_by_watch(viewer.may_read)
        only = cameras.get(camera_id, Camera(id=camera_id))
        return [
            _info(watch, viewer, cameras, opened, self._clock_ns())
            for _, watch in sorted(registered.items())
            if _sees(watch, viewer, cameras) and (not camera_id or covers(watch, only))
        ]

    async def update(self, changes: WatchChanges, viewer: Viewer) -> WatchInfo:
        """Change a watch.

        Raises `InvalidInput`, `WatchNotFound`, `PermissionDenied`, `Overloaded` or
        `Unavailable`.
        """
        cameras = await self._directory.cameras()
        async with reaching_redis():
            async with self._updating:  # only other gateways are raced with
                watch = await self._updated(changes, viewer, cameras)
            opened = await self._events.open_by_watch(viewer.may_read)
        log.info("watch_updated", watch=watch.id, fields=",".join(changes.paths))
        return _info(watch, viewer, cameras, opened, self._clock_ns())

    async def delete(self, watch_id: str, viewer: Viewer) -> None:
        """Delete a watch, and leave a tombstone: Redis did not lose it.

        Raises `InvalidInput`, `WatchNotFound`, `PermissionDenied` or `Unavailable`.
        """
        check_id(watch_id, "watch_id")
        cameras = await self._directory.cameras()
        async with reaching_redis():
            watch = _managed(watch_id, await self._watches(), viewer, cameras)
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.set(
                    keys.watch_removed(watch_id),
                    str(WatchTombstone.of(watch)),
                    px=int(tombstones.KEEP_S * 1000),
                )
                pipeline.hdel(keys.WATCHES, watch_id)
                pipeline.incr(keys.WATCHES_VERSION)
                await pipeline.execute()
        log.info("watch_deleted", watch=watch_id)

    async def _updated(
        self, changes: WatchChanges, viewer: Viewer, cameras: Mapping[str, Camera]
    ) -> Watch:
        """Replace the entry in one step; made again if the registry changed meanwhile."""
        async with self._redis.pipeline(transaction=True) as pipeline:
            while True:
                await pipeline.watch(keys.WATCHES)
                registered = self._parsed(await cast(Any, pipeline.hgetall(keys.WATCHES)))
                watch = _managed(changes.watch.id, registered, viewer, cameras)
                changed = changes.applied_to(watch)
                if changed == watch:
                    return watch
                check_watch(changed, *self._limits)
                if changes.cameras:
                    _confine(changed, viewer)
                await self._admit(changed, watch, registered, cameras)
                cast(Any, pipeline).multi()
                # No HSET: no user of Redis has the right to overwrite a watch unseen.
                pipeline.hdel(keys.WATCHES, changed.id)
                pipeline.hsetnx(keys.WATCHES, changed.id, changed.SerializeToString())
                pipeline.incr(keys.WATCHES_VERSION)
                try:
                    await pipeline.execute()
                except redis.WatchError:
                    continue
                return changed

    async def _watches(self) -> dict[str, Watch]:
        reply = self._redis.hgetall(keys.WATCHES)
        return self._parsed(await cast("Awaitable[dict[bytes, bytes]]", reply))

    def _parsed(self, entries: dict[bytes, bytes]) -> dict[str, Watch]:
        return parse_watches(entries, self._unreadable)

    async def _admit(
        self,
        watch: Watch,
        before: Watch | None,
        registered: Mapping[str, Watch],
        cameras: Mapping[str, Camera],
    ) -> None:
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.hgetall(keys.members("worker"))
            pipeline.hgetall(keys.WATCH_ROOMS)
            pipeline.time()
            members, said, (seconds, micros) = await pipeline.execute()
        now_ms = seconds * 1000 + micros // 1000
        workers = parse_members(members, now_ms, int(ALIVE_S * 1000))
        rooms = parse_rooms(said, now_ms)
        admit(watch, before, registered.values(), cameras, workers, rooms, self._clock_ns())


def _confine(watch: Watch, viewer: Viewer) -> None:
    """Confine a watch to what the viewer may watch. Raises `PermissionDenied`."""
    watch.ClearField("within")
    if not watch.cameras.camera_ids:
        watch.within.extend(confined_to(viewer))
    for camera_id in watch.cameras.camera_ids:
        viewer.check(Action.WATCH, camera_id)
        viewer.check(Action.READ, camera_id)


def _manages(watch: Watch, viewer: Viewer) -> bool:
    """Whether the viewer may watch all cameras that the watch could mean."""
    could = watch.cameras.camera_ids or watch.within or [EVERYTHING]
    return may_watch_all(viewer, could)


def _sees(watch: Watch, viewer: Viewer, cameras: Mapping[str, Camera]) -> bool:
    if any(viewer.may_read(camera_id) for camera_id in watch.cameras.camera_ids):
        return True
    meant = (camera.id for camera in cameras.values() if covers(watch, camera))
    return _manages(watch, viewer) or any(map(viewer.may_read, meant))


def _managed(
    watch_id: str, registered: Mapping[str, Watch], viewer: Viewer, cameras: Mapping[str, Camera]
) -> Watch:
    """The watch, if the viewer may change it. Raises `WatchNotFound` or `PermissionDenied`."""
    watch = registered.get(watch_id)
    if watch is None or not _sees(watch, viewer, cameras):
        raise WatchNotFound(watch_id)
    if not _manages(watch, viewer):
        raise PermissionDenied(
            f"this token may not watch all cameras that watch {watch_id!r} can mean; ask its issuer"
        )
    return watch


def _info(
    watch: Watch,
    viewer: Viewer,
    cameras: Mapping[str, Camera],
    opened: Counter[str],
    now_ns: int,
) -> WatchInfo:
    meant = [c for c in cameras.values() if covers(watch, c) and viewer.may_read(c.id)]
    return WatchInfo(
        watch=watch,
        cameras=len(meant),
        open_events=opened[watch.id],
        message=_message(watch, len(meant), now_ns),
    )


def _message(watch: Watch, cameras: int, now_ns: int) -> str:
    """What it waits for, or what is wrong with it."""
    if watch.paused:
        return "paused"
    if not cameras:
        by_id = bool(watch.cameras.camera_ids)
        return f"no camera is registered {'by its ids' if by_id else 'with such labels'}"
    if watch.HasField("hours"):
        hours = hours_of(watch.hours)
        if not hours.covers(datetime.fromtimestamp(now_ns / 1e9, UTC)):
            return f"outside its hours ({hours})"
    return ""
