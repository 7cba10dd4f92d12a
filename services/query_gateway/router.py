"""Routes a call to the worker that remembers the camera, and retries while the owner changes.

The client does not notice a retry before it has received the first piece of an
answer. After that a retry would repeat words, so an answer that breaks off is
an error.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from typing import Protocol, TypeVar, cast

from hermes.errors import CameraNotOwned, CameraNotReady, HermesError, Overloaded, Retryable
from hermes.v1.memory_pb2 import FramePicture, FrameQuery, MemoryContents
from hermes.v1.query_pb2 import Evidence, QueryServiceGetEvidenceRequest, Question
from hermes.v1.worker_pb2 import (
    WorkerServiceAskResponse,
    WorkerServiceGetEvidenceResponse,
    WorkerServiceListFramesResponse,
)
from services.common import logs, tracing
from services.common.rpc import INTERNAL_MESSAGE
from services.query_gateway.epochs import Epochs
from services.query_gateway.resolver import Route

log = logs.get(__name__)

_T = TypeVar("_T")

RETRY_AFTER_S = 1.0
PAUSE_S = 0.1
"""Pause between attempts while a call waits for a hand-over."""
WAITING_FOR_ONE = 8
"""Calls that may wait for one camera at a time; further calls are refused at once."""


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
        """Yield deltas and, last, one complete event. Raises `HermesError`."""
        ...

    async def inspect(self, route: Route, deadline: float) -> MemoryContents:
        """Raises `HermesError`."""
        ...

    async def evidence(
        self, route: Route, wanted: QueryServiceGetEvidenceRequest, deadline: float
    ) -> WorkerServiceGetEvidenceResponse:
        """Raises `HermesError`."""
        ...

    def frames(
        self, route: Route, query: FrameQuery, deadline: float
    ) -> AsyncIterator[WorkerServiceListFramesResponse]:
        """Yield frames. Raises `HermesError`."""
        ...


class _Attempts:
    """The attempts of one call, and how long it may wait between them."""

    def __init__(self, hand_over_wait_s: float, deadline: float) -> None:
        self._now = asyncio.get_running_loop().time
        self._wait_until = min(self._now() + hand_over_wait_s, deadline)
        self.count = 0
        self.started = False
        """Whether a part of the answer was sent to the client."""
        self.refused = False
        """Whether the last worker refused because it is not the owner."""

    def waited_enough(self) -> bool:
        """Whether no time is left for another pause."""
        return self._now() + PAUSE_S >= self._wait_until


class Router:
    """Sends calls to owners, and retries while an owner changes."""

    def __init__(
        self,
        resolver: Resolves,
        workers: Asks,
        epochs: Epochs,
        hand_over_wait_s: float = 0.0,
        most_waiting: int = 32,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        turn: Callable[[Route], AbstractAsyncContextManager[None]] = lambda _: nullcontext(),
    ) -> None:
        """`turn`: waits until a question may be taken to the route's worker, and lasts as long as
        it is there.
        """
        self._resolver = resolver
        self._workers = workers
        self._epochs = epochs
        self._hand_over_wait_s = hand_over_wait_s
        self._most_waiting = most_waiting
        self._waiting: Counter[str] = Counter()
        self._sleep = sleep
        self._turn = turn

    async def ask(
        self, question: Question, deadline: float
    ) -> AsyncGenerator[WorkerServiceAskResponse, None]:
        """Yield deltas as they arrive, then one complete event.

        `deadline`: a time of the running loop's clock. Raises `HermesError`.
        """
        attempts = _Attempts(self._hand_over_wait_s, deadline)
        while True:
            try:
                route = await self._resolve(question.camera_id, attempts)
                async with aclosing(self._answer(route, question, deadline)) as events:
                    async for event in events:
                        attempts.started = True
                        yield event
                return
            except HermesError as error:
                await self._before_next(question.camera_id, attempts, error)

    async def inspect(self, camera_id: str, deadline: float) -> MemoryContents:
        """What the camera's memory holds, as its owner reports it. Raises `HermesError`."""

        async def look(route: Route) -> MemoryContents:
            contents = await self._workers.inspect(route, deadline)
            self._check_epoch(camera_id, contents.epoch)
            return contents

        return await self._at_owner(camera_id, deadline, look)

    async def evidence(self, wanted: QueryServiceGetEvidenceRequest, deadline: float) -> Evidence:
        """The frames that an answer rests on, as its worker finds them. Raises `HermesError`."""

        async def find(route: Route) -> Evidence:
            response = await self._workers.evidence(route, wanted, deadline)
            self._check_epoch(wanted.camera_id, response.epoch)
            return response.evidence

        return await self._at_owner(wanted.camera_id, deadline, find)

    async def _at_owner(
        self, camera_id: str, deadline: float, call: Callable[[Route], Awaitable[_T]]
    ) -> _T:
        """What a call says that has one response. It is repeated while the owner changes."""
        attempts = _Attempts(self._hand_over_wait_s, deadline)
        while True:
            try:
                return await call(await self._resolve(camera_id, attempts))
            except HermesError as error:
                await self._before_next(camera_id, attempts, error)

    async def frames(
        self, query: FrameQuery, deadline: float
    ) -> AsyncGenerator[FramePicture, None]:
        """Yield frames with their pictures as they arrive. As `ask` in all else."""
        attempts = _Attempts(self._hand_over_wait_s, deadline)
        while True:
            try:
                route = await self._resolve(query.camera_id, attempts)
                sent = self._workers.frames(route, query, deadline)
                async with aclosing(
                    cast(AsyncGenerator[WorkerServiceListFramesResponse, None], sent)
                ) as responses:
                    async for response in responses:
                        self._check_epoch(query.camera_id, response.epoch)
                        attempts.started = True
                        yield response.frame
                return
            except HermesError as error:
                await self._before_next(query.camera_id, attempts, error)

    async def _resolve(self, camera_id: str, attempts: _Attempts) -> Route:
        route = await self._resolver.resolve(camera_id)
        attempts.count += 1
        tracing.note(attempts=attempts.count, worker=route.address)
        return route

    async def _before_next(self, camera_id: str, attempts: _Attempts, error: HermesError) -> None:
        """Wait before the next attempt. Raises if the call must not be tried again."""
        if isinstance(error, CameraNotOwned):
            if attempts.started or (attempts.refused and attempts.waited_enough()):
                raise _changing_hands(camera_id) from None
            if attempts.refused:  # handed over, and the new owner does not serve yet
                await self._pause(camera_id, _changing_hands(camera_id))
            attempts.refused = True  # the owner changed after it was read: read it again at once
        elif isinstance(error, Retryable) and not isinstance(error, Overloaded):
            if attempts.started or attempts.waited_enough():
                raise error
            attempts.refused = False
            await self._pause(camera_id, error)
        else:
            raise error

    async def _pause(self, camera_id: str, error: Retryable) -> None:
        """Wait a little for a camera. Raises `error` if too many calls are waiting already."""
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
        complete = False
        async with self._turn(route), aclosing(self._asked(route, question, deadline)) as events:
            async for event in events:
                if event.WhichOneof("event") == "complete":
                    self._check_epoch(route.camera_id, event.complete.epoch)
                    complete = True
                yield event
        if complete:
            return
        log.error("answer_without_end", camera=route.camera_id, worker=route.address)
        raise HermesError(INTERNAL_MESSAGE)

    def _asked(
        self, route: Route, question: Question, deadline: float
    ) -> AsyncGenerator[WorkerServiceAskResponse, None]:
        asked = self._workers.ask(route, question, deadline)
        return cast(AsyncGenerator[WorkerServiceAskResponse, None], asked)

    def _check_epoch(self, camera_id: str, epoch: int) -> None:
        if epoch < self._epochs.newest(camera_id):
            # The worker that wrote this had lost the camera: its memory may lack
            # frames that the new owner has seen.
            log.warning("answer_from_former_owner", camera=camera_id, epoch=epoch)
            raise _changing_hands(camera_id)
        self._epochs.saw(camera_id, epoch)


def _changing_hands(camera_id: str) -> CameraNotReady:
    return CameraNotReady(f"camera {camera_id!r} is changing hands; ask again", RETRY_AFTER_S)
