"""Tells whether a camera missing in Redis was removed, never existed, or was lost by Redis."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress

import redis.asyncio
from google.protobuf.message import DecodeError

from hermes.errors import CameraNotFound, Unavailable
from hermes.v1.camera_pb2 import Camera
from services.common import keys, tombstones

RETRY_AFTER_S = 1.0
PUT_BACK_S = 60.0
"""Workers and decoders put back what Redis forgot within seconds of reaching it. A camera that is
still missing after this long is known to none of them."""


class KnownCameras:
    """The cameras that this gateway has seen in the registry.

    A camera missing in the registry was removed if it has a tombstone, and never
    existed if it has no trace at all. Otherwise Redis lost it, and its worker or
    decoder is about to put it back.
    """

    def __init__(
        self, client: redis.asyncio.Redis, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._redis = client
        self._clock = clock
        self._seen: set[str] = set()
        self._missing_since: dict[str, float] = {}

    async def refresh(self) -> int:
        """Read the ids of the registered cameras. Returns their number."""
        registered = await self.registered()
        await self.check_all(registered)
        self.saw(registered)
        return len(registered)

    async def registered(self) -> set[str]:
        """The ids that are registered now."""
        return {text_of(field) for field in await self._redis.hkeys(keys.CAMERAS)}

    def saw(self, camera_ids: Iterable[str]) -> None:
        """Record that these cameras are registered."""
        for camera_id in camera_ids:
            self._seen.add(camera_id)
            self._missing_since.pop(camera_id, None)

    async def check_all(self, registered: Iterable[str]) -> bool:
        """Whether a registry that holds exactly the cameras `registered` has lost none."""
        now, missing = self._clock(), sorted(self._seen.difference(registered))
        if not missing:
            return True
        async with self._redis.pipeline(transaction=False) as pipeline:
            for camera_id in missing:
                pipeline.get(keys.removed(camera_id))
                pipeline.exists(*keys.all_of(camera_id))
            replies = await pipeline.execute()
        pairs = zip(replies[::2], replies[1::2], strict=True)
        for camera_id, (tombstone, traces) in zip(missing, pairs, strict=True):
            since = self._missing_since.setdefault(camera_id, now)
            if _removed(tombstone, traces) or now - since > PUT_BACK_S:
                self.forget(camera_id)
        return not self._missing_since

    async def missing(self, camera_id: str) -> CameraNotFound | Unavailable:
        """The error for a camera that is not in the registry."""
        tombstone, traces = await self._traces(camera_id)
        if _removed(tombstone, traces):
            self.forget(camera_id)
        elif traces or camera_id in self._seen:
            return Unavailable(
                f"the registry has lost camera {camera_id!r}; it is being put back", RETRY_AFTER_S
            )
        return CameraNotFound(camera_id)

    async def was_removed(self, camera_id: str) -> bool:
        """Whether a camera that is not in the registry was removed by name."""
        return _removed(*await self._traces(camera_id))

    async def successors(self, camera_ids: Iterable[str]) -> dict[str, int]:
        """When each camera was added (`created`, in ns) that has the id of one that was removed.

        `camera_ids`: of cameras that are registered; of the others there is nothing.
        """
        ids = sorted(set(camera_ids))
        async with self._redis.pipeline(transaction=False) as pipeline:
            for camera_id in ids:
                pipeline.get(keys.removed(camera_id))
                pipeline.hget(keys.CAMERAS, camera_id)
            replies = await pipeline.execute()
        found = {}
        for camera_id, tombstone, entry in zip(ids, replies[::2], replies[1::2], strict=True):
            if entry is None or tombstones.newest_removed(tombstone) is None:
                continue
            with suppress(DecodeError):  # whoever reads the registry reports it
                found[camera_id] = tombstones.created_ns(Camera.FromString(entry))
        return found

    async def _traces(self, camera_id: str) -> tuple[bytes | None, int]:
        """The tombstone of an id, and how many of its other keys there are."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.get(keys.removed(camera_id))
            pipeline.exists(*keys.all_of(camera_id))
            tombstone, traces = await pipeline.execute()
        return tombstone, traces

    def forget(self, camera_id: str) -> None:
        """Forget a camera that was removed."""
        self._seen.discard(camera_id)
        self._missing_since.pop(camera_id, None)


def text_of(field: bytes | str) -> str:
    """A field of the registry as an id."""
    return field.decode(errors="replace") if isinstance(field, bytes) else field


def _removed(tombstone: bytes | None, traces: int) -> bool:
    """Whether the last camera of an id was removed.

    A removal deletes all other keys of a camera in the same step. Keys found
    beside a tombstone belong to a camera that was added later.
    """
    return tombstones.newest_removed(tombstone) is not None and not traces
