"""What every request passes first: checks of its host, its origin, and how long its body takes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Any

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from services.web.problems import refusal, response_of

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
"""Headers that every response gets."""


class Entrance:
    """An ASGI application in front of another one."""

    def __init__(
        self,
        app: Any,
        *,
        hosts: Collection[str],
        origins: Collection[str],
        body_timeout_s: float,
        max_body_bytes: int,
        count: Callable[[str, int], None],
    ) -> None:
        """`hosts`: names that requests may address; none: any. `origins`: foreign pages that may
        send more than reading requests. `count`: called with the route and status of
        each request.
        """
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._origins = frozenset(origins)
        self._body_timeout_s = body_timeout_s
        self._max_body_bytes = max_body_bytes
        self._count = count

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 499  # the client left before there was one

        async def noted(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], *HEADERS]}
            await send(message)

        try:
            if (response := self._refused(scope)) is not None:
                await response(scope, receive, noted)
            else:
                await self._app(scope, self._in_time(receive), noted)
        finally:
            route = scope.get("route")
            self._count(getattr(route, "path", "other"), status)

    def _refused(self, scope: Any) -> Any:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
        if self._hosts and name.lower() not in self._hosts:
            detail = f"this service is not called {name!r}: --allowed-hosts says how"
            return response_of(refusal(421, detail))
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._max_body_bytes:
            # One without a length is counted as it comes in.
            return response_of(refusal(413, f"at most {self._max_body_bytes} bytes are read"))
        origin = headers.get("origin")
        if origin is None or scope["method"] in SAFE_METHODS or origin in self._origins:
            return None
        if origin.partition("://")[2] == host:  # a proxy in front may speak TLS for us
            return None
        return response_of(refusal(403, "pages of other origins may not do this: --cors-origins"))

    def _in_time(self, receive: Any) -> Any:
        deadline: float | None = asyncio.get_running_loop().time() + self._body_timeout_s

        async def bounded() -> Any:
            nonlocal deadline
            try:
                async with asyncio.timeout_at(deadline) as timeout:
                    message = await receive()
            except TimeoutError:
                if timeout.expired():
                    raise HTTPException(408, "the request's body did not arrive in time") from None
                raise
            if not message.get("more_body", False):
                deadline = None  # what follows is the client's leave, whenever that may be
            return message

        return bounded
