"""Server-sent events to clients that are slow, silent, or leave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.web.leaving import ClientLeft, while_there
from services.web.sse import PING, EventStreamResponse, event


class Client:
    """The server's side of a client: `room` says how much it reads, `leave` that it leaves."""

    def __init__(self, room: int = 1_000) -> None:
        self.sent: list[dict[str, Any]] = []
        self.leave = asyncio.Event()
        self._room = asyncio.Semaphore(room)

    async def receive(self) -> dict[str, Any]:
        await self.leave.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        await self._room.acquire()
        self.sent.append(message)

    def read(self) -> None:
        self._room.release()

    @property
    def bodies(self) -> list[bytes]:
        return [m["body"] for m in self.sent if m["type"] == "http.response.body"]


class Source:
    """Events, one after the other; `made` counts them, `closed` is set at the end."""

    def __init__(self, count: int, *, then_wait: bool = False) -> None:
        self.made = 0
        self.closed = False
        self._count = count
        self._then_wait = then_wait

    async def events(self) -> AsyncIterator[bytes]:
        try:
            for number in range(self._count):
                self.made += 1
                yield event(number)
            if self._then_wait:
                await asyncio.Event().wait()
        finally:
            self.closed = True


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


def test_an_event() -> None:
    assert event({"a": 1}, name="delta", id="7-0") == b'id: 7-0\nevent: delta\ndata: {"a":1}\n\n'
    assert event("two\nlines") == b'data: "two\\nlines"\n\n'


async def test_all_events_are_sent_and_the_stream_ends() -> None:
    client, source = Client(), Source(3)
    await EventStreamResponse(source.events(), ping_s=5)({}, client.receive, client.send)
    headers = dict(client.sent[0]["headers"])
    assert headers[b"content-type"].startswith(b"text/event-stream")
    assert b"content-length" not in headers
    assert client.bodies == [event(0), event(1), event(2), b""]
    assert client.sent[-1].get("more_body", False) is False
    assert source.closed


async def test_a_slow_reader_stops_the_source() -> None:
    client, source = Client(room=3), Source(1_000)  # the head, and two events
    response = EventStreamResponse(source.events(), ping_s=5)
    sending = asyncio.create_task(response({}, client.receive, client.send))
    await until(lambda: len(client.sent) == 3)
    for _ in range(20):
        await asyncio.sleep(0)
    assert source.made == 3
    client.read()
    await until(lambda: source.made == 4)
    client.leave.set()
    await sending
    assert source.closed


async def test_a_silent_stream_is_kept_open() -> None:
    client, source = Client(), Source(1, then_wait=True)
    response = EventStreamResponse(source.events(), ping_s=0.01)
    sending = asyncio.create_task(response({}, client.receive, client.send))
    await until(lambda: client.bodies[1:3] == [PING, PING])
    client.leave.set()
    await sending
    assert source.closed


async def test_a_stream_without_an_end_ends_with_the_service() -> None:
    client, source, ending = Client(), Source(0, then_wait=True), asyncio.Event()
    response = EventStreamResponse(source.events(), ping_s=5, ending=ending)
    sending = asyncio.create_task(response({}, client.receive, client.send))
    await until(lambda: client.sent)
    ending.set()
    await sending
    assert source.closed
    assert client.bodies == [b""]


async def test_work_ends_when_the_client_leaves() -> None:
    client, cancelled = Client(), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    waiting = asyncio.create_task(while_there(client.receive, work()))
    await asyncio.sleep(0)
    client.leave.set()
    with pytest.raises(ClientLeft):
        await waiting
    assert cancelled.is_set()


async def test_work_that_ends_is_returned() -> None:
    async def work() -> int:
        return 7

    assert await while_there(Client().receive, work()) == 7
