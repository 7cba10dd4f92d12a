"""Which watches are answered with a number: an event does not say so."""

from __future__ import annotations

from typing import Any

import redis.asyncio
from google.protobuf.message import DecodeError

from hermes.v1.event_pb2 import Event
from hermes.v1.watch_pb2 import Watch
from services.common import keys


class Numbers:
    """Looks each watch up once. A watch whose form changes is seen by the sink's next owner."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._redis = client
        self._known: dict[str, bool] = {}

    async def has(self, event: Event) -> bool:
        """Whether the event's value is a number, and no probability. Raises RedisError.

        Of a watch that is gone, a value that can be a probability is taken for one.
        """
        if event.watch_id not in self._known:
            found: Any = self._redis.hget(keys.WATCHES, event.watch_id)
            raw = await found
            watch = Watch()
            try:
                watch.ParseFromString(raw or b"")
            except DecodeError:
                watch.Clear()
            if watch.WhichOneof("form") is None:
                return not all(0.0 <= value <= 1.0 for value in (event.value, event.peak))
            self._known[event.watch_id] = watch.HasField("number")
        return self._known[event.watch_id]
