"""The last event that a sink got of each watch and camera, for what has to be sent again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import redis.asyncio
from google.protobuf.message import DecodeError

from hermes.v1.event_pb2 import EVENT_TYPE_CLOSED, Event
from services.common import keys
from services.notifier.message import Lane

KEPT_MS = 30 * 86_400_000
"""An event that is over is forgotten after this time."""


@dataclass(frozen=True, slots=True)
class Known:
    """An event as a sink knows it, without pictures. `since_ms`: when it first heard of it."""

    event: Event
    since_ms: int

    @property
    def over(self) -> bool:
        """Whether the event has ended."""
        return self.event.HasField("closed") or self.event.type == EVENT_TYPE_CLOSED


class Remembered:
    """What one sink knows, kept in Redis for the next owner. Methods raise RedisError."""

    def __init__(self, client: redis.asyncio.Redis, sink: str) -> None:
        self._redis = client
        self._key = keys.notifier_open(sink)
        self._known: dict[Lane, Known] = {}

    async def load(self) -> None:
        """Read what the owner before us left."""
        known: dict[Lane, Known] = {}
        kept: Any = await self._redis.hgetall(self._key)
        useless = []
        for field, value in kept.items():
            since, _, raw = value.partition(b" ")
            event = Event()
            try:
                event.ParseFromString(raw)
                one = Known(event, int(since))
            except (DecodeError, ValueError):
                useless.append(field)
                continue
            if one.over and one.since_ms < time.time() * 1000 - KEPT_MS:
                useless.append(field)  # its watch or camera may be gone
                continue
            known[event.watch_id, event.camera_id] = one
        if useless:
            await self._redis.hdel(self._key, *useless)
        self._known = known

    def get(self, lane: Lane) -> Known | None:
        """The last event that the sink got of a lane."""
        return self._known.get(lane)

    def all(self) -> list[Known]:
        """The last event of every lane."""
        return list(self._known.values())

    async def put(self, event: Event) -> Known:
        """The sink knows this now."""
        lane = event.watch_id, event.camera_id
        kept = Event()
        kept.CopyFrom(event)
        del kept.evidence[:]
        before = self._known.get(lane)
        same = before is not None and before.event.id == event.id
        since_ms = before.since_ms if before is not None and same else round(time.time() * 1000)
        known = self._known[lane] = Known(kept, since_ms)
        value = b"%d %b" % (since_ms, kept.SerializeToString())
        await self._redis.hset(self._key, _field(lane), value)
        return known


def _field(lane: Lane) -> str:
    return "/".join(lane)
