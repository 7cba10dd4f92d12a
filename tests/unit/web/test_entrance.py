"""What no request gets past."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.exceptions import HTTPException

from services.web.entrance import Entrance

counted: list[tuple[str, int]] = []


async def application(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"in"})


def entrance(**changes: Any) -> Entrance:
    settings: dict[str, Any] = {
        "hosts": ("localhost", "[::1]"),
        "origins": ("https://wall.test",),
        "body_timeout_s": 5.0,
        "max_body_bytes": 100,
        "count": lambda route, status: counted.append((route, status)),
        **changes,
    }
    return Entrance(application, **settings)


async def status_of(
    method: str = "GET", host: str = "localhost:8000", origin: str = "", length: str = "0"
) -> int:
    headers = [(b"host", host.encode()), (b"content-length", length.encode())]
    if origin:
        headers.append((b"origin", origin.encode()))
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": method, "headers": headers, "path": "/", "scheme": "http"}
    await entrance()(scope, receive, send)
    assert (b"x-content-type-options", b"nosniff") in sent[0]["headers"]
    assert counted[-1] == ("other", sent[0]["status"])
    return int(sent[0]["status"])


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({}, 200),
        ({"host": "LOCALHOST"}, 200),
        ({"host": "[::1]:8000"}, 200),
        ({"host": "rebound.test:8000"}, 421),
        ({"host": ""}, 421),
        ({"method": "POST"}, 200),
        ({"method": "POST", "origin": "http://localhost:8000"}, 200),
        ({"method": "POST", "origin": "https://wall.test"}, 200),
        ({"method": "POST", "origin": "https://other.test"}, 403),
        ({"method": "DELETE", "origin": "null"}, 403),
        ({"method": "GET", "origin": "https://other.test"}, 200),
        ({"method": "POST", "length": "100"}, 200),
        ({"method": "POST", "length": "101"}, 413),
        ({"method": "POST", "length": "-1"}, 413),
    ],
)
async def test_who_gets_in(asked: dict[str, str], status: int) -> None:
    assert await status_of(**asked) == status


async def test_a_body_arrives_in_time_or_not_at_all() -> None:
    async def never() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        raise AssertionError("nothing is sent")

    scope = {"type": "http", "method": "GET", "headers": [(b"host", b"localhost")], "path": "/"}
    with pytest.raises(HTTPException) as caught:
        await entrance(body_timeout_s=0.01)(scope, never, send)
    assert caught.value.status_code == 408
