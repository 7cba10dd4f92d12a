"""How many evaluations of watches each worker can make, and makes.

A hash of its own beside that of the workers: processes of early versions pass over
a worker that says more about itself than it knows.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import cast

import redis

from services.common import keys
from services.common.members import GONE_S
from services.common.placement import ALIVE_S


@dataclass(frozen=True, slots=True)
class WatchRoom:
    """What one worker says: evaluations a second that it can make (`capacity`) and makes (`load`).

    The capacity is 0 until it is known. `heartbeat_ms`: when, by Redis's clock.
    """

    instance: str
    capacity: float
    load: float
    heartbeat_ms: int

    def to_json(self) -> str:
        """The entry in the hash."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, raw: bytes) -> WatchRoom | None:
        """From an entry; None if it makes no sense. What it does not know it leaves out."""
        try:
            said = json.loads(raw)
            instance, heartbeat_ms = str(said["instance"]), int(said["heartbeat_ms"])
            room = cls(instance, float(said["capacity"]), float(said["load"]), heartbeat_ms)
        except (ValueError, TypeError, KeyError, OverflowError):
            return None
        figures = (room.capacity, room.load)
        return room if all(math.isfinite(one) and one >= 0 for one in figures) else None


def parse_rooms(raw: Mapping[bytes, bytes], now_ms: int) -> dict[str, WatchRoom]:
    """What the workers say that have said it in the last seconds, by instance."""
    rooms = (WatchRoom.parse(value) for value in raw.values())
    return {
        room.instance: room
        for room in rooms
        if room is not None and now_ms - room.heartbeat_ms <= ALIVE_S * 1000
    }


class WatchRooms:
    """Our own entry in the hash, to be written every few seconds, as the heartbeat is."""

    def __init__(self, client: redis.Redis, instance: str) -> None:
        self._redis = client
        self._instance = instance

    def publish(self, capacity: float, load: float) -> None:
        """Say what we can do and do. Entries of workers that are long gone are deleted."""
        seconds, micros = self._redis.time()
        now_ms = seconds * 1000 + micros // 1000
        room = WatchRoom(self._instance, round(capacity, 3), round(load, 3), now_ms)
        self._redis.hset(keys.WATCH_ROOMS, self._instance, room.to_json())
        entries = cast("dict[bytes, bytes]", self._redis.hgetall(keys.WATCH_ROOMS))
        parsed = ((instance, WatchRoom.parse(raw)) for instance, raw in entries.items())
        gone = [
            instance
            for instance, other in parsed
            if other is None or now_ms - other.heartbeat_ms > GONE_S * 1000
        ]
        if gone:
            self._redis.hdel(keys.WATCH_ROOMS, *gone)

    def leave(self) -> None:
        """Delete our own entry."""
        self._redis.hdel(keys.WATCH_ROOMS, self._instance)
