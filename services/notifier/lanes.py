"""Lanes: messages of one watch and camera go in order, others side by side."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from services.notifier.message import Lane, Message

CANCEL_AGAIN_S = 1.0
"""How long a cancelled task may take to end before it is cancelled again."""


async def cancelled(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks until all have ended.

    A library that gives up waiting just then can swallow a cancellation.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=CANCEL_AGAIN_S)


class Lanes:
    """Hands messages to `work`, one at a time in each lane. Belongs to the running loop.

    `most`: messages that are in lanes at a time. What `work` raises ends all lanes;
    `check` raises it.
    """

    def __init__(self, work: Callable[[Message], Awaitable[None]], most: int) -> None:
        self._work = work
        self._most = most
        self._waiting: dict[Lane, deque[Message]] = {}
        self._positions: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._count = 0
        self._left = asyncio.Event()
        self._fault: BaseException | None = None

    @property
    def room(self) -> int:
        """How many messages may be put now."""
        return self._most - self._count

    def holds(self, position: str) -> bool:
        """Whether the message from this position waits or is under way."""
        return position in self._positions

    def put(self, message: Message) -> None:
        """Add a message at the end of its lane."""
        self._count += 1
        self._positions.add(message.position)
        waiting = self._waiting.get(message.lane)
        if waiting is not None:
            waiting.append(message)
            return
        self._waiting[message.lane] = deque([message])
        task = asyncio.create_task(self._run(message.lane))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def check(self) -> None:
        """Raise what ended the lanes, if anything did."""
        if self._fault is not None:
            raise self._fault

    async def wait_for_room(self, timeout_s: float) -> bool:
        """Whether there is room, after waiting for it up to `timeout_s`."""
        if self.room > 0:
            return True
        self._left.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._left.wait()
        return self.room > 0  # it wakes for a fault, too

    async def close(self) -> None:
        """End all lanes now. What is under way is cancelled."""
        await cancelled(self._tasks)

    async def _run(self, lane: Lane) -> None:
        waiting = self._waiting[lane]
        while waiting:
            await self._work(waiting[0])
            self._positions.discard(waiting.popleft().position)
            self._count -= 1
            self._left.set()
        del self._waiting[lane]

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            self._fault = self._fault or fault
            self._left.set()
