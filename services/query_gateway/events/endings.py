"""Ends the events of cameras that were removed: they have no owner who could.

A camera that was added again under the same id knows nothing of them either.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from hermes.v1.event_pb2 import EVENT_END_CAMERA, EVENT_TYPE_CLOSED, Event
from services.common import logs
from services.common.cameras import ID_PATTERN
from services.common.event_log import AsyncRedisEventLog, Outcome
from services.query_gateway.events.store import EventStore
from services.query_gateway.known_cameras import KnownCameras

log = logs.get(__name__)

EVERY_S = 5.0
KEY = "closed-camera"
"""The key of these messages: of several gateways, one ends an event."""


class Endings:
    """Looks for open events of cameras that are gone."""

    def __init__(
        self,
        store: EventStore,
        log_: AsyncRedisEventLog,
        known: KnownCameras,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._store = store
        self._log = log_
        self._known = known
        self._clock_ns = clock_ns

    async def step(self) -> None:
        """End them. To be awaited every `EVERY_S`. Raises `redis.RedisError`."""
        opened = await self._store.open_events()
        if not opened:
            return
        registered = await self._known.registered()
        cameras = {camera_id for _, camera_id in opened.values()} & registered
        successors = await self._known.successors(cameras) if cameras else {}
        for event_id, (_, camera_id) in opened.items():
            if not ID_PATTERN.fullmatch(camera_id):
                continue
            if camera_id in registered:
                if (added_ns := successors.get(camera_id)) is not None:
                    await self._end(event_id, sent_before_ns=added_ns)
            elif await self._known.was_removed(camera_id):
                await self._end(event_id)

    async def _end(self, event_id: str, sent_before_ns: int | None = None) -> None:
        """End an event. `sent_before_ns`: only if it was sent before this moment."""
        last = await self._store.get(event_id)
        if last is None:
            return
        if sent_before_ns is not None and _sent_ns(last) >= sent_before_ns:
            return
        event = Event()
        event.CopyFrom(last)
        event.type, event.end = EVENT_TYPE_CLOSED, EVENT_END_CAMERA
        event.closed.FromNanoseconds(self._clock_ns())
        event.ClearField("evidence")
        event.ClearField("lag")
        appended = await self._log.append(event, KEY)
        if appended.outcome is Outcome.ADDED:
            log.info("event_ended_with_its_camera", event_id=event_id, camera=event.camera_id)


def _sent_ns(event: Event) -> int:
    """When its owner sent it, or somewhat before: by the worker's clock. A frame's capture may be
    much older than what is made of it.
    """
    return event.opened.ToNanoseconds() + event.lag.ToNanoseconds()
