"""Work for a client that may leave: it is cancelled as soon as the connection is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

Receive = Callable[[], Awaitable[Any]]
"""How the server tells an application about its client."""


class ClientLeft(Exception):
    """The client has closed the connection, and waits for no response."""


async def left(receive: Receive) -> None:
    """Return once the client has closed the connection. The request's body was read before."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def while_there(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns. Raises `ClientLeft` if the client leaves before, and cancels it."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(left(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientLeft
    finally:
        await stop(working, leaving)


async def stop(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks, and wait until they have ended. What they raise is of no interest any more."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
