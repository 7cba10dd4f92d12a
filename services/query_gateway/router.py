"""Takes a call to the worker that remembers the camera, and decides when to try again.

Until the first piece of an answer is passed on, another attempt is invisible
to the client; from then on it would repeat words, so an answer that breaks off
is an error.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Protocol, TypeVar, cast

from hermes.errors import CameraNotOwned, CameraNotReady, HermesError, Overloaded, Retryable
from hermes.v1.memory_pb2 import MemoryContents
from hermes.v1.query_pb2 import Question
from hermes.v1.worker_pb2 import WorkerServiceAskResponse
from services.common import logs, tracing
from services.common.rpc import INTERNAL_MESSAGE
from services.query_gateway.epochs import Epochs
from services.query_gateway.resolver import Route

log = logs.get(__name__)

RETRY_AFTER_S = 1.0
PAUSE_S = 0.1
"""Between attempts while a call waits for a hand-over."""
WAITING_FOR_ONE = 8
"""Calls that wait for one camera at a time; more are told to come again."""

T = TypeVar("T")


class Resolves(Protocol):
    """Finds the owner of a camera."""

    async def resolve(self, camera_id: str) -> Route:
        """Raises `HermesError`."""
        ...


class Asks(Protocol):
    """Asks a worker."""

    def ask(
        self, route: Route, question: Question, deadline: float
    ) -> AsyncIterator[WorkerServiceAskResponse]:
        """Deltas, and one complete, the last. Raises `HermesError`."""
        ...

    async def inspect(self, route: Route, deadline: float) -> MemoryContents:
        """Raises `HermesError`."""
        ...


class Router:
    """One call at a time from the gateway's door to its last token."""

    def __init__(
        self,
        resolver: Resolves,
        workers: Asks,
        epochs: Epochs,
        hand_over_wait_s: float = 0.0,
        most_waiting: int = 32,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._resolver = resolver
        self._workers = workers
        self._epochs = epochs
        self._hand_over_wait_s = hand_over_wait_s
        self._most_waiting = most_waiting
        self._waiting: Counter[str] = Counter()
        self._sleep = sleep

    def ask(
        self, question: Question, deadline: float
    ) -> AsyncGenerator[WorkerServiceAskResponse, None]:
        """Deltas as they come, and one complete. `deadline`: by the running loop's clock."""
        return self._routed(
            question.camera_id, deadline, lambda route: self._answer(route, question, deadline)
        )

    async def inspect(self, camera_id: str, deadline: float) -> MemoryContents:
        """What the camera's memory holds, as its owner says."""
        looks = self._routed(camera_id, deadline, lambda route: self._look(route, deadline))
        async with aclosing(looks):
            return await anext(looks)

    async def _routed(
        self, camera_id: str, deadline: float, attempt: Callable[[Route], AsyncGenerator[T, None]]
    ) -> AsyncGenerator[T, None]:
        """What `attempt` gives at the camera's owner, or at the next one if that is not it."""
        now = asyncio.get_running_loop().time
        wait_until = min(now() + self._hand_over_wait_s, deadline)
        refused = started = False
        attempts = 0
        while True:
            try:
                route = await self._resolver.resolve(camera_id)
                attempts += 1
                tracing.note(attempts=attempts, worker=route.address)
                async with aclosing(attempt(route)) as events:
                    async for event in events:
                        started = True
                        yield event
                return
            except CameraNotOwned:
                if started or (refused and now() + PAUSE_S >= wait_until):
                    raise _changing_hands(camera_id) from None
                if refused:  # handed over, and its new owner does not know yet
                    await self._pause(camera_id, _changing_hands(camera_id))
                refused = True  # the owner changed after it was read: read again, at once
            except Overloaded:
                raise
            except Retryable as error:
                if started or now() + PAUSE_S >= wait_until:
                    raise
                refused = False
                await self._pause(camera_id, error)

    async def _pause(self, camera_id: str, error: Retryable) -> None:
        """Wait a little for a camera. Raises `error` if so many wait that others would suffer."""
        waiting = self._waiting
        if waiting[camera_id] >= WAITING_FOR_ONE or waiting.total() >= self._most_waiting:
            raise error
        waiting[camera_id] += 1
        try:
            await self._sleep(PAUSE_S)
        finally:
            waiting[camera_id] -= 1
            if not waiting[camera_id]:
                del waiting[camera_id]

    async def _answer(
        self, route: Route, question: Question, deadline: float
    ) -> AsyncGenerator[WorkerServiceAskResponse, None]:
        asked = self._workers.ask(route, question, deadline)
        complete = False
        async with aclosing(cast(AsyncGenerator[WorkerServiceAskResponse, None], asked)) as events:
            async for event in events:
                if event.WhichOneof("event") == "complete":
                    self._check_epoch(route.camera_id, event.complete.epoch)
                    complete = True
                yield event
        if complete:
            return
        log.error("answer_without_end", camera=route.camera_id, worker=route.address)
        raise HermesError(INTERNAL_MESSAGE)

    async def _look(self, route: Route, deadline: float) -> AsyncGenerator[MemoryContents, None]:
        contents = await self._workers.inspect(route, deadline)
        self._check_epoch(route.camera_id, contents.epoch)
        yield contents

    def _check_epoch(self, camera_id: str, epoch: int) -> None:
        if epoch < self._epochs.newest(camera_id):
            # Whoever wrote this had lost the camera: its memory may lack what
            # the new owner has seen.
            log.warning("answer_from_former_owner", camera=camera_id, epoch=epoch)
            raise _changing_hands(camera_id)
        self._epochs.saw(camera_id, epoch)


def _changing_hands(camera_id: str) -> CameraNotReady:
    return CameraNotReady(f"camera {camera_id!r} is changing hands; ask again", RETRY_AFTER_S)
