"""The feed: one reader of the stream of events for all that follow it.

It keeps a window of the newest messages. A follower within the window takes them
from there; one that is behind it, or too slow for it, reads the stream by itself
until it has caught up. So nothing is kept for each follower but its position.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque

from hermes.errors import Unavailable
from services.common.frame_log import BEGINNING, LogId
from services.query_gateway.events.store import EventStore, Message

BLOCK_MS = 1_000
RETRY_AFTER_S = 1.0
WINDOW_MESSAGES = 512
WINDOW_BYTES = 16 << 20


class EventFeed:
    """Belongs to the running event loop. `step` is to be awaited again and again."""

    def __init__(
        self,
        store: EventStore,
        most_messages: int = WINDOW_MESSAGES,
        most_bytes: int = WINDOW_BYTES,
    ) -> None:
        self._store = store
        self._most_messages = most_messages
        self._most_bytes = most_bytes
        self._window: deque[Message] = deque()
        self._bytes = 0
        self._start: LogId | None = None
        """The window has everything after it. None before the first step."""
        self._last = BEGINNING
        self._news = asyncio.Event()
        self._closed = False

    async def step(self) -> None:
        """Read what is new, and wait for it up to a second. Raises `redis.RedisError`."""
        if self._start is None:
            self._start = self._last = await self._store.last_position()
        found = await self._store.wait_after(self._last, BLOCK_MS)
        if not found:
            return
        self._last = found[-1].position
        for message in found:
            self._window.append(message)
            self._bytes += _size(message)
        while len(self._window) > self._most_messages or self._bytes > self._most_bytes:
            oldest = self._window.popleft()
            self._bytes -= _size(oldest)
            self._start = oldest.position
        news, self._news = self._news, asyncio.Event()
        news.set()

    @property
    def last(self) -> LogId | None:
        """The position of the newest message; None if the stream has not been reached yet."""
        return None if self._start is None else self._last

    def has_all_after(self, position: LogId) -> bool:
        """Whether the window has every message that followed a position."""
        return self._start is not None and position >= self._start

    async def after(self, position: LogId, wait_s: float) -> list[Message]:
        """The messages that follow a position, or none after `wait_s` without any.

        Raises `Unavailable` once the feed is closed, and `redis.RedisError`.
        """
        news = self._news
        if self._closed:
            raise closing()
        if not self.has_all_after(position):
            if found := await self._store.after(position):
                return found
        elif position < self._last:
            return self._from_window(position)
        try:
            async with asyncio.timeout(wait_s):
                await news.wait()
        except TimeoutError:
            return []
        if self._closed:
            raise closing()
        if not self.has_all_after(position):
            return await self._store.after(position)
        return self._from_window(position)

    def close(self) -> None:
        """End all that follow: the gateway is about to stop."""
        self._closed = True
        self._news.set()

    def _from_window(self, position: LogId) -> list[Message]:
        window = list(self._window)
        return window[bisect_right(window, position, key=lambda message: message.position) :]


def closing() -> Unavailable:
    """The error for a follower of a gateway that stops."""
    return Unavailable("this gateway is about to stop; follow again", RETRY_AFTER_S)


def _size(message: Message) -> int:
    return 0 if message.event is None else message.event.ByteSize()
