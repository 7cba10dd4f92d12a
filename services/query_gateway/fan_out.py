"""Asks many cameras the same, each by itself: what goes wrong with one concerns no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Protocol

from hermes.camera_error import camera_error
from hermes.errors import HermesError, Overloaded
from hermes.statuses import code_of
from hermes.v1.query_pb2 import Complete, Question
from hermes.v1.query_pb2 import QueryServiceAskManyResponse as Event
from hermes.v1.worker_pb2 import WorkerServiceAskResponse
from services.common import logs
from services.common.metrics import Metrics
from services.common.redaction import redact
from services.common.rpc import INTERNAL_MESSAGE
from services.query_gateway.access.current import Rights
from services.query_gateway.access.scopes import Action
from services.query_gateway.answer_times import AnswerTimes
from services.query_gateway.outbox import Outbox
from services.query_gateway.workers import deadline_exceeded

log = logs.get(__name__)

LONGEST_PAUSE_S = 2.0
"""A camera whose worker is overloaded is asked once more, if it may be within this time."""

Write = Callable[[Event], Awaitable[None]]


class Routes(Protocol):
    """Takes a question to the camera's owner."""

    def ask(
        self, question: Question, deadline: float
    ) -> AsyncGenerator[WorkerServiceAskResponse, None]:
        """Yield deltas and then one complete event. Raises `HermesError`."""
        ...


class FanOut:
    """Asks cameras at the same time, as far as the router lets them."""

    def __init__(
        self,
        router: Routes,
        rights: Rights,
        metrics: Metrics,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._router = router
        self._rights = rights
        self._metrics = metrics
        self._sleep = sleep

    async def ask(
        self,
        questions: Sequence[Question],
        received: float,
        deadline: float,
        write: Write,
        *,
        joined: bool = False,
    ) -> dict[str, str]:
        """Write events as they come: each camera's in order, and last its complete or its error.

        `received`, `deadline`: times of the running loop's clock. `joined`: one message may
        have several events. Returns the whole answers by camera, in the order of the
        questions. Raises only what `write` does.
        """
        outbox, answers = Outbox(), dict[str, str]()

        async def one(question: Question) -> None:
            event = await self._ended(question, received, deadline, outbox, answers)
            await outbox.end(event)

        async def every() -> None:
            try:
                async with asyncio.TaskGroup() as group:
                    for question in questions:
                        group.create_task(one(question))
            finally:
                outbox.close()

        asking = asyncio.create_task(every())
        try:
            following = outbox.next_joined if joined else outbox.next
            while (event := await following()) is not None:
                await write(event)
            await asking
        finally:
            asking.cancel()
            await asyncio.wait({asking})
        asked = (question.camera_id for question in questions)
        return {camera_id: answers[camera_id] for camera_id in asked if camera_id in answers}

    async def _ended(
        self,
        question: Question,
        received: float,
        deadline: float,
        outbox: Outbox,
        answers: dict[str, str],
    ) -> Event:
        """Ask one camera until its answer has ended. Returns its last event."""
        camera_id = question.camera_id
        pieces: list[str] = []
        times = AnswerTimes(self._metrics, received)

        def take(text: str) -> None:
            pieces.append(text)
            outbox.text(camera_id, text)
            times.passed_on()

        try:
            self._rights.check(Action.ASK, camera_id)
            complete = await self._complete(question, deadline, take, pieces)
        except Exception as error:
            shown = _shown(error, camera_id)
            self._metrics.queries.labels(code_of(shown).name).inc()
            return Event(camera_id=camera_id, error=camera_error(shown, redact))
        self._metrics.queries.labels("OK").inc()
        times.close(complete)
        answers[camera_id] = "".join(pieces)
        return Event(camera_id=camera_id, complete=complete)

    async def _complete(
        self,
        question: Question,
        deadline: float,
        take: Callable[[str], None],
        taken: Sequence[str],
    ) -> Complete:
        """Ask, and once more if there was no room. Raises `HermesError`."""
        try:
            async with asyncio.timeout_at(deadline):
                try:
                    return await self._once(question, deadline, take)
                except Overloaded as error:
                    pause_s = error.retry_after_s
                    left_s = deadline - asyncio.get_running_loop().time()
                    if taken or pause_s > LONGEST_PAUSE_S or pause_s >= left_s:
                        raise
                await self._sleep(pause_s)
                return await self._once(question, deadline, take)
        except TimeoutError:
            raise deadline_exceeded() from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # What the answer came through was cancelled, not the call: this camera's error.
            raise HermesError(INTERNAL_MESSAGE) from None

    async def _once(
        self, question: Question, deadline: float, take: Callable[[str], None]
    ) -> Complete:
        complete = None
        async with aclosing(self._router.ask(question, deadline)) as events:
            async for event in events:
                if event.WhichOneof("event") == "complete":
                    complete = event.complete  # sent on once the place at the worker is free
                else:
                    take(event.delta.text)
        if complete is None:
            raise HermesError(INTERNAL_MESSAGE)
        return complete


def _shown(error: Exception, camera_id: str) -> HermesError:
    if isinstance(error, HermesError):
        return error
    log.error("camera_failed", camera=camera_id, exc_info=error)
    return HermesError(INTERNAL_MESSAGE)
