"""Server-sent events: a stream whose client may be slow, may be silent, and may leave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response

from services.web.leaving import left, stop

MEDIA_TYPE = "text/event-stream"
PING = b": ping\n\n"
HEADERS = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would keep the events until it has many
}


def event(value: Any, *, name: str = "", id: str = "") -> bytes:
    """One event: a value as JSON, with a name and an id if they are given."""
    lines = [b"id: " + id.encode()] if id else []
    if name:
        lines.append(b"event: " + name.encode())
    lines.append(b"data: " + to_json(value, bytes_mode="base64", inf_nan_mode="null"))
    return b"\n".join(lines) + b"\n\n"


class EventStreamResponse(Response):
    """Sends events as they come.

    The next one is asked for when the server has room for it, so that a slow reader
    holds up nothing but its own stream. When the client leaves, `events` is closed.
    """

    media_type = MEDIA_TYPE

    def __init__(
        self,
        events: AsyncIterator[bytes],
        *,
        ping_s: float,
        ending: asyncio.Event | None = None,
    ) -> None:
        """`ping_s`: after so long without an event a comment is sent. `ending`: for streams
        that never end by themselves; they do so once it is set.
        """
        super().__init__(headers=HEADERS, media_type=MEDIA_TYPE)
        del self.headers["content-length"]
        self._events = events
        self._ping_s = ping_s
        self._ending = asyncio.Event() if ending is None else ending

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send everything, unless the client leaves."""
        await send(
            {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        )
        sending = asyncio.ensure_future(self._send_all(send))
        leaving = asyncio.ensure_future(left(receive))
        ending = asyncio.ensure_future(self._ending.wait())
        try:
            await asyncio.wait({sending, leaving, ending}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            await stop(sending, leaving, ending)
        if not leaving.done() or leaving.cancelled():
            await send({"type": "http.response.body", "body": b""})

    async def _send_all(self, send: Any) -> None:
        coming: asyncio.Future[bytes] | None = None
        try:
            while True:
                coming = coming or asyncio.ensure_future(anext(self._events))
                await asyncio.wait({coming}, timeout=self._ping_s)
                if not coming.done():
                    body = PING
                else:
                    try:
                        body = coming.result()
                    except StopAsyncIteration:
                        return
                    coming = None
                await send({"type": "http.response.body", "body": body, "more_body": True})
        finally:
            if coming is not None:
                await stop(coming)
            close = getattr(self._events, "aclose", None)
            if close is not None:
                await close()
