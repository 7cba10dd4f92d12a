"""The calls about watches and events, for both clients."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc

from hermes.client.event_streams import AsyncEventStream, EventStream
from hermes.client.events import Event, EventFilter, Trial, event_of, filter_message, trial_of
from hermes.client.requests import ASK_TIMEOUT_S, Metadata
from hermes.client.watch_messages import update_message, watch_message, watch_state_of
from hermes.client.watches import Watch, WatchState
from hermes.statuses import error_of
from hermes.v1 import event_pb2, query_pb2, watch_pb2

EVERY_EVENT = EventFilter()


class WatchCalls:
    """The calls of the blocking client."""

    _watches: Any
    _events: Any
    _peer: str

    def create_watch(self, watch: Watch) -> WatchState:
        """Register a watch. The worker of each of its cameras asks it from now on."""
        request = watch_pb2.WatchServiceCreateRequest(watch=watch_message(watch))
        return watch_state_of(self._call(self._watches.Create, request).watch)

    def get_watch(self, watch_id: str) -> WatchState:
        """One watch as it is now."""
        request = watch_pb2.WatchServiceGetRequest(watch_id=watch_id)
        return watch_state_of(self._call(self._watches.Get, request).watch)

    def list_watches(self, camera_id: str = "") -> list[WatchState]:
        """The watches that the caller may see, ordered by id; of one camera, if it is given."""
        request = watch_pb2.WatchServiceListRequest(camera_id=camera_id)
        return [watch_state_of(info) for info in self._call(self._watches.List, request).watches]

    def update_watch(self, watch_id: str, **changes: Any) -> WatchState:
        """Change a watch. `changes`: fields of `Watch` with their new values.

        A new question, form, trigger or other cameras end its open events.
        """
        request = update_message(watch_id, changes)
        return watch_state_of(self._call(self._watches.Update, request).watch)

    def delete_watch(self, watch_id: str) -> None:
        """Delete a watch. Its open events end."""
        self._call(self._watches.Delete, watch_pb2.WatchServiceDeleteRequest(watch_id=watch_id))

    def try_watch(
        self,
        watch: Watch,
        *,
        evidence: int = 0,
        pictures: bool = False,
        timeout: float | None = ASK_TIMEOUT_S,
    ) -> Iterator[Trial]:
        """Ask a watch now, of each of its cameras; results come as they are found.

        Opens nothing, and the watch need not exist. `evidence`: the most frames to name.
        """
        request = try_request(watch, evidence, pictures)
        try:
            for response in self._watches.Try(request, timeout=timeout, metadata=self._sent()):
                yield trial_of(response)
        except grpc.RpcError as error:
            raise error_of(error, self._peer) from error

    def events(
        self, filter_: EventFilter = EVERY_EVENT, *, limit: int = 0, before_id: str = ""
    ) -> list[Event]:
        """Events that are kept, newest first, without pictures.

        `limit` 0: 100. `before_id`: only those that were opened before this one; a
        page is the last if the next one is empty.
        """
        request = list_request(filter_, limit, before_id)
        return [event_of(event) for event in self._call(self._events.List, request).events]

    def follow_events(self, filter_: EventFilter = EVERY_EVENT, *, after: str = "") -> EventStream:
        """Messages about events as they come, each at least once, until it is cancelled.

        `after`: the position of the last message that was received, to go on from there;
        "0": all that are kept; "": from now on.
        """
        request = follow_request(filter_, after)
        call = self._events.Follow(request, metadata=self._sent())
        return EventStream(call, self._peer, after)

    def get_event(self, event_id: str) -> Event:
        """One event with its pictures, as its last message left it."""
        request = event_pb2.EventServiceGetRequest(event_id=event_id)
        return event_of(self._call(self._events.Get, request).event)

    def acknowledge(self, event_id: str, note: str = "") -> Event:
        """Note that somebody has taken notice of an event. The first who does stays."""
        request = event_pb2.EventServiceAcknowledgeRequest(event_id=event_id, note=note)
        return event_of(self._call(self._events.Acknowledge, request).event)

    def _call(self, method: Any, request: Any) -> Any:
        raise NotImplementedError

    def _sent(self) -> Metadata:
        raise NotImplementedError


class AsyncWatchCalls:
    """The calls of the client for asyncio. They are those of `WatchCalls`."""

    _watches: Any
    _events: Any
    _peer: str

    async def create_watch(self, watch: Watch) -> WatchState:
        """Register a watch. The worker of each of its cameras asks it from now on."""
        request = watch_pb2.WatchServiceCreateRequest(watch=watch_message(watch))
        return watch_state_of((await self._call(self._watches.Create, request)).watch)

    async def get_watch(self, watch_id: str) -> WatchState:
        """One watch as it is now."""
        request = watch_pb2.WatchServiceGetRequest(watch_id=watch_id)
        return watch_state_of((await self._call(self._watches.Get, request)).watch)

    async def list_watches(self, camera_id: str = "") -> list[WatchState]:
        """The watches that the caller may see, ordered by id; of one camera, if it is given."""
        request = watch_pb2.WatchServiceListRequest(camera_id=camera_id)
        response = await self._call(self._watches.List, request)
        return [watch_state_of(info) for info in response.watches]

    async def update_watch(self, watch_id: str, **changes: Any) -> WatchState:
        """Change a watch. `changes`: fields of `Watch` with their new values.

        A new question, form, trigger or other cameras end its open events.
        """
        request = update_message(watch_id, changes)
        return watch_state_of((await self._call(self._watches.Update, request)).watch)

    async def delete_watch(self, watch_id: str) -> None:
        """Delete a watch. Its open events end."""
        request = watch_pb2.WatchServiceDeleteRequest(watch_id=watch_id)
        await self._call(self._watches.Delete, request)

    def try_watch(
        self,
        watch: Watch,
        *,
        evidence: int = 0,
        pictures: bool = False,
        timeout: float | None = ASK_TIMEOUT_S,
    ) -> AsyncIterator[Trial]:
        """Ask a watch now, of each of its cameras; results come as they are found.

        Opens nothing, and the watch need not exist. `evidence`: the most frames to name.
        """
        request = try_request(watch, evidence, pictures)
        return self._trials(self._watches.Try(request, timeout=timeout, metadata=self._sent()))

    async def events(
        self, filter_: EventFilter = EVERY_EVENT, *, limit: int = 0, before_id: str = ""
    ) -> list[Event]:
        """Events that are kept, newest first, without pictures.

        `limit` 0: 100. `before_id`: only those that were opened before this one; a
        page is the last if the next one is empty.
        """
        request = list_request(filter_, limit, before_id)
        response = await self._call(self._events.List, request)
        return [event_of(event) for event in response.events]

    def follow_events(
        self, filter_: EventFilter = EVERY_EVENT, *, after: str = ""
    ) -> AsyncEventStream:
        """Messages about events as they come, each at least once, until it is cancelled.

        `after`: the position of the last message that was received, to go on from there;
        "0": all that are kept; "": from now on.
        """
        request = follow_request(filter_, after)
        call = self._events.Follow(request, metadata=self._sent())
        return AsyncEventStream(call, self._peer, after)

    async def get_event(self, event_id: str) -> Event:
        """One event with its pictures, as its last message left it."""
        request = event_pb2.EventServiceGetRequest(event_id=event_id)
        return event_of((await self._call(self._events.Get, request)).event)

    async def acknowledge(self, event_id: str, note: str = "") -> Event:
        """Note that somebody has taken notice of an event. The first who does stays."""
        request = event_pb2.EventServiceAcknowledgeRequest(event_id=event_id, note=note)
        return event_of((await self._call(self._events.Acknowledge, request)).event)

    async def _trials(self, call: Any) -> AsyncIterator[Trial]:
        try:
            async for response in call:
                yield trial_of(response)
        except grpc.RpcError as error:
            raise error_of(error, self._peer) from error

    async def _call(self, method: Any, request: Any) -> Any:
        raise NotImplementedError

    def _sent(self) -> Metadata:
        raise NotImplementedError


def try_request(watch: Watch, evidence: int, pictures: bool) -> watch_pb2.WatchServiceTryRequest:
    """The request of `try_watch`. Raises `InvalidInput` for what cannot be sent."""
    return watch_pb2.WatchServiceTryRequest(
        watch=watch_message(watch),
        evidence=query_pb2.EvidenceRequest(frames=max(0, evidence), pictures=pictures),
    )


def list_request(
    filter_: EventFilter, limit: int, before_id: str
) -> event_pb2.EventServiceListRequest:
    """The request of `events`. Raises `InvalidInput` for what cannot be sent."""
    return event_pb2.EventServiceListRequest(
        filter=filter_message(filter_), limit=max(0, limit), before_id=before_id
    )


def follow_request(filter_: EventFilter, after: str) -> event_pb2.EventServiceFollowRequest:
    """The request of `follow_events`. Raises `InvalidInput` for what cannot be sent."""
    return event_pb2.EventServiceFollowRequest(filter=filter_message(filter_), after=after)
