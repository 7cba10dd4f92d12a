"""What a sink was told last of each watch and camera: for what has to be said again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import redis.asyncio
from google.protobuf.message import DecodeError

from hermes.v1.event_pb2 import EVENT_TYPE_CLOSED, Event
from services.common import keys
from services.notifier.message import Lane


@dataclass(frozen=True, slots=True)
class Told:
    """An event as a sink knows it, without pictures. `since_ms`: when it first heard of it."""

    event: Event
    since_ms: int

    @property
    def over(self) -> bool:
        """Whether the event has ended."""
        return self.event.HasField("closed") or self.event.type == EVENT_TYPE_CLOSED


class Remembered:
    """One sink's memory, kept in Redis for the next owner. Methods raise RedisError."""

    def __init__(self, client: redis.asyncio.Redis, sink: str) -> None:
        self._redis = client
        self._key = keys.notifier_open(sink)
        self._told: dict[Lane, Told] = {}

    async def load(self) -> None:
        """Read what the owner before us left."""
        told: dict[Lane, Told] = {}
        kept: Any = await self._redis.hgetall(self._key)
        for value in kept.values():
            since, _, raw = value.partition(b" ")
            event = Event()
            try:
                event.ParseFromString(raw)
                told[event.watch_id, event.camera_id] = Told(event, int(since))
            except (DecodeError, ValueError):
                continue
        self._told = told

    def get(self, lane: Lane) -> Told | None:
        """What the sink was told last."""
        return self._told.get(lane)

    def all(self) -> list[Told]:
        """All that it was told."""
        return list(self._told.values())

    async def put(self, event: Event) -> Told:
        """The sink knows this now."""
        lane = event.watch_id, event.camera_id
        kept = Event()
        kept.CopyFrom(event)
        del kept.evidence[:]
        before = self._told.get(lane)
        same = before is not None and before.event.id == event.id
        since_ms = before.since_ms if before is not None and same else round(time.time() * 1000)
        told = self._told[lane] = Told(kept, since_ms)
        value = b"%d %b" % (since_ms, kept.SerializeToString())
        await self._redis.hset(self._key, _field(lane), value)
        return told


def _field(lane: Lane) -> str:
    return "/".join(lane)
