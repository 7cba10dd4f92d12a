"""Takes a question to the worker that remembers the camera, and decides when to try again.

Until the first piece of an answer is passed on, another attempt is invisible
to the client; from then on it would repeat words, so an answer that breaks off
is an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Protocol, cast

from hermes.errors import CameraNotOwned, CameraNotReady, HermesError, Overloaded, Retryable
from hermes.v1.query_pb2 import Complete, Question
from hermes.v1.worker_pb2 import WorkerServiceAskResponse
from services.common import logs
from services.common.rpc import INTERNAL_MESSAGE
from services.query_gateway.epochs import Epochs
from services.query_gateway.resolver import Route

log = logs.get(__name__)

RETRY_AFTER_S = 1.0
PAUSE_S = 0.25
"""Between attempts while a question waits for a hand-over."""


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
        """Raises `HermesError`."""
        ...


class Router:
    """One question at a time from the gateway's door to its last token."""

    def __init__(
        self,
        resolver: Resolves,
        workers: Asks,
        epochs: Epochs,
        hand_over_wait_s: float = 0.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._resolver = resolver
        self._workers = workers
        self._epochs = epochs
        self._hand_over_wait_s = hand_over_wait_s
        self._sleep = sleep

    async def ask(
        self, question: Question, deadline: float
    ) -> AsyncGenerator[WorkerServiceAskResponse, None]:
        """Deltas as they come, and one complete. `deadline`: by the running loop's clock."""
        now = asyncio.get_running_loop().time
        wait_until = min(now() + self._hand_over_wait_s, deadline)
        refused = started = False
        while True:
            try:
                route = await self._resolver.resolve(question.camera_id)
                async with aclosing(self._attempt(route, question, deadline)) as events:
                    async for event in events:
                        started = True
                        yield event
                return
            except CameraNotOwned:
                if started or refused:
                    raise _changing_hands(question.camera_id) from None
                refused = True  # the owner changed after it was read: read again, once
            except Overloaded:
                raise
            except Retryable:
                if started or now() + PAUSE_S >= wait_until:
                    raise
                refused = False
                await self._sleep(PAUSE_S)

    async def _attempt(
        self, route: Route, question: Question, deadline: float
    ) -> AsyncGenerator[WorkerServiceAskResponse, None]:
        asked = self._workers.ask(route, question, deadline)
        async with aclosing(cast(AsyncGenerator[WorkerServiceAskResponse, None], asked)) as events:
            async for event in events:
                if event.WhichOneof("event") == "complete":
                    self._check_epoch(route.camera_id, event.complete)
                    yield event
                    return
                yield event
        log.error("answer_without_end", camera=route.camera_id, worker=route.address)
        raise HermesError(INTERNAL_MESSAGE)

    def _check_epoch(self, camera_id: str, complete: Complete) -> None:
        if complete.epoch < self._epochs.newest(camera_id):
            # Whoever wrote this had lost the camera: its memory may lack what
            # the new owner has seen.
            log.warning("answer_from_former_owner", camera=camera_id, epoch=complete.epoch)
            raise _changing_hands(camera_id)
        self._epochs.saw(camera_id, complete.epoch)


def _changing_hands(camera_id: str) -> CameraNotReady:
    return CameraNotReady(f"camera {camera_id!r} is changing hands; ask again", RETRY_AFTER_S)
