"""The answers of many cameras on their way to one client, which may read slowly."""

from __future__ import annotations

import asyncio
from collections import deque

from hermes.v1.query_pb2 import QueryServiceAskManyResponse as Event

MOST_BYTES = 1 << 20
"""Of ended answers that wait for the client. They can carry pictures."""

JOINED_BYTES = 1 << 18
"""A message gets no further event from here on."""


class Outbox:
    """Events in the order in which they came, each camera's in order. For one event loop.

    Text never waits: what a camera writes while the client reads other events is
    joined to one delta, so no more waits than the answers themselves. The end of an
    answer waits for room.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._events: deque[Event] = deque()
        self._open_deltas: dict[str, Event] = {}
        self._bytes = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._some = asyncio.Event()
        self._closed = False

    def text(self, camera_id: str, text: str) -> None:
        """Send more of a camera's answer."""
        waiting = self._open_deltas.get(camera_id)
        if waiting is not None:
            waiting.delta.text += text
            return
        event = Event(camera_id=camera_id)
        event.delta.text = text
        self._open_deltas[camera_id] = event
        self._add(event)

    async def end(self, event: Event) -> None:
        """Send the last event of a camera, once there is room for it."""
        size = event.ByteSize()
        while self._bytes and self._bytes + size > self._most_bytes:
            room = asyncio.get_running_loop().create_future()
            self._waiting.append(room)
            await room
        self._bytes += size
        self._open_deltas.pop(event.camera_id, None)
        self._add(event)

    def close(self) -> None:
        """Nothing more will come."""
        self._closed = True
        self._some.set()

    async def next(self) -> Event | None:
        """The next event; None after the last one."""
        await self._some.wait()
        return self.ready()

    def ready(self) -> Event | None:
        """The next event, if it is there already."""
        if not self._events:
            return None
        event = self._events.popleft()
        if not self._events and not self._closed:
            self._some.clear()
        if event.WhichOneof("event") == "delta":
            self._open_deltas.pop(event.camera_id, None)
        else:
            self._bytes -= event.ByteSize()
            self._wake()
        return event

    async def next_joined(self) -> Event | None:
        """The next event, with those in `more` that are there already; None after the last one."""
        first = await self.next()
        if first is not None:
            size = first.ByteSize()
            while size < JOINED_BYTES and (event := self.ready()) is not None:
                first.more.append(event)
                size += event.ByteSize()
        return first

    def _add(self, event: Event) -> None:
        self._events.append(event)
        self._some.set()

    def _wake(self) -> None:
        """Let those that wait for room look again, in the order in which they came."""
        waiting, self._waiting = self._waiting, deque()
        for room in waiting:
            if not room.done():  # cancelled
                room.set_result(None)
