"""hermes.v1.EventService: events of the cameras that the caller may see."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from hermes.errors import EventNotFound, InvalidInput
from hermes.v1.camera_pb2 import Camera
from hermes.v1.event_pb2 import (
    Acknowledgement,
    Event,
    EventServiceAcknowledgeRequest,
    EventServiceAcknowledgeResponse,
    EventServiceFollowRequest,
    EventServiceFollowResponse,
    EventServiceGetRequest,
    EventServiceGetResponse,
    EventServiceListRequest,
    EventServiceListResponse,
)
from hermes.v1.event_pb2_grpc import EventServiceServicer
from services.common import logs
from services.common.cameras import check_id
from services.common.event_log import AsyncRedisEventLog
from services.common.event_record import Indexed
from services.common.frame_log import LogId
from services.query_gateway.access.scopes import Action
from services.query_gateway.access.viewer import Viewer, Viewers
from services.query_gateway.directory import Directory
from services.query_gateway.events.feed import EventFeed
from services.query_gateway.events.filters import Wanted
from services.query_gateway.events.store import EventStore
from services.query_gateway.redis_link import reaching_redis

log = logs.get(__name__)

DEFAULT_LIMIT = 100
MAX_LIMIT = 1_000
MAX_LIST_BYTES = 2 << 20
"""A list ends early at this size: clients read messages of up to 4 MiB."""
MAX_NOTE_CHARS = 1_000
HEARTBEAT_S = 15.0
"""A follower that got nothing for so long is told the position, and its token is checked again."""

_POSITION = re.compile(r"\d{1,20}(-\d{1,20})?")


class EventServicer(EventServiceServicer):
    """hermes.v1.EventService."""

    def __init__(
        self,
        store: EventStore,
        log_: AsyncRedisEventLog,
        feed: EventFeed,
        directory: Directory,
        viewers: Viewers,
        *,
        heartbeat_s: float = HEARTBEAT_S,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._store = store
        self._log = log_
        self._feed = feed
        self._directory = directory
        self._viewers = viewers
        self._heartbeat_s = heartbeat_s
        self._clock_ns = clock_ns

    async def List(  # noqa: N802, D102
        self, request: EventServiceListRequest, context: Any
    ) -> EventServiceListResponse:
        if request.limit > MAX_LIMIT:
            raise InvalidInput("limit", f"at most {MAX_LIMIT} are allowed")
        if request.before_id:
            check_id(request.before_id, "before_id")
        wanted, seer = Wanted.read(request.filter), self._viewers.current()
        cameras = await self._cameras(wanted)

        def may_be(indexed: Indexed) -> bool:
            return seer.may_read(indexed.camera_id) and wanted.accepts_indexed(indexed, cameras)

        response, size = EventServiceListResponse(), 0
        async with reaching_redis():
            async for event in self._store.newest(
                may_be,
                after_ms=_ms(wanted.after_ns),
                before_ms=_ms(wanted.before_ns),
                before_id=request.before_id,
            ):
                if not wanted.accepts(event, cameras):
                    continue
                size += event.ByteSize()
                if response.events and size > MAX_LIST_BYTES:
                    break
                response.events.append(event)
                if len(response.events) == (request.limit or DEFAULT_LIMIT):
                    break
        return response

    async def Follow(  # noqa: N802, D102
        self, request: EventServiceFollowRequest, context: Any
    ) -> AsyncIterator[EventServiceFollowResponse]:
        wanted, seer = Wanted.read(request.filter), self._viewers.current()
        position, missed = await self._begin(request.after)
        heard = asyncio.get_running_loop().time()
        while True:
            async with reaching_redis(waiting_s=self._heartbeat_s):
                found = await self._feed.after(position, self._heartbeat_s)
            cameras = await self._cameras(wanted) if found else {}
            for message in found:
                position, event = message.position, message.event
                if event is None or not self._is_for(event, seer, wanted, cameras):
                    continue
                yield EventServiceFollowResponse(event=event, position=str(position), missed=missed)
                missed, heard = False, asyncio.get_running_loop().time()
            if asyncio.get_running_loop().time() - heard >= self._heartbeat_s:
                seer = await seer.renewed()
                yield EventServiceFollowResponse(position=str(position), missed=missed)
                missed, heard = False, asyncio.get_running_loop().time()

    async def Get(  # noqa: N802, D102
        self, request: EventServiceGetRequest, context: Any
    ) -> EventServiceGetResponse:
        event = await self._visible(request.event_id, self._viewers.current())
        return EventServiceGetResponse(event=event)

    async def Acknowledge(  # noqa: N802, D102
        self, request: EventServiceAcknowledgeRequest, context: Any
    ) -> EventServiceAcknowledgeResponse:
        if len(request.note) > MAX_NOTE_CHARS:
            raise InvalidInput(
                "note",
                f"has {len(request.note)} characters; at most {MAX_NOTE_CHARS} are allowed",
            )
        seer = self._viewers.current()
        event = await self._visible(request.event_id, seer)
        seer.check(Action.ACK, event.camera_id)
        acknowledgement = Acknowledgement(by=seer.name, note=request.note)
        acknowledgement.at.FromNanoseconds(self._clock_ns())
        async with reaching_redis():
            outcome = await self._log.acknowledge(event.id, acknowledgement)
        log.info(
            "event_acknowledged", event_id=event.id, by=seer.name, outcome=str(outcome.outcome)
        )
        return EventServiceAcknowledgeResponse(event=await self._visible(event.id, seer))

    async def _begin(self, after: str) -> tuple[LogId, bool]:
        """Where a follower begins, and whether messages before that are missing."""
        if after and not _POSITION.fullmatch(after):
            raise InvalidInput("after", "is no position: give one that Follow has sent, or 0")
        async with reaching_redis():
            if not after:
                return self._feed.last or await self._store.last_position(), False
            position = LogId.parse(after)
            if self._feed.has_all_after(position):
                return position, False
            return position, await self._store.lost_since(position)

    async def _visible(self, event_id: str, seer: Viewer) -> Event:
        """The event. Raises `EventNotFound`, also for one that the viewer may not see."""
        check_id(event_id, "event_id")
        async with reaching_redis():
            event = await self._store.get(event_id)
        if event is None or not seer.may_read(event.camera_id):
            raise EventNotFound(event_id)
        return event

    async def _cameras(self, wanted: Wanted) -> Mapping[str, Camera]:
        return await self._directory.cameras() if wanted.by_labels else {}

    @staticmethod
    def _is_for(event: Event, seer: Viewer, wanted: Wanted, cameras: Mapping[str, Camera]) -> bool:
        return seer.may_read(event.camera_id) and wanted.accepts(event, cameras)


def _ms(ns: int | None) -> int | None:
    return None if ns is None else ns // 1_000_000
