"""Questions that go to one worker at the same moment, as one call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, cast

import grpc
import grpc.aio

from hermes.camera_error import error_of_camera
from hermes.errors import HermesError
from hermes.statuses import typed_error
from hermes.v1.query_pb2 import Question
from hermes.v1.worker_pb2 import (
    CameraAnswerEvent,
    CameraEpoch,
    WorkerServiceAskManyRequest,
    WorkerServiceAskResponse,
)
from hermes.v1.worker_pb2_grpc import WorkerServiceStub
from services.common import logs
from services.common.rpc import INTERNAL_MESSAGE
from services.query_gateway.access.current import current_mark
from services.query_gateway.channels import ChannelPool
from services.query_gateway.outgoing import outgoing
from services.query_gateway.resolver import Route
from services.query_gateway.workers import Workers, end_of, error_of, error_of_code, left_until

log = logs.get(__name__)

_CODES = {code.value[0]: code for code in grpc.StatusCode}

Key = tuple[str, str, float, bytes]
"""A worker's address, the caller's mark, a deadline, and the question without its camera."""


class _Alone:
    """The camera is asked in a call of its own."""


class _Over:
    """The call is over."""


Event = CameraAnswerEvent | HermesError | _Alone | _Over


class _Member:
    """A camera of a call, and what came of it."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        self.ended = False

    def put(self, event: Event) -> None:
        if not self.ended:
            more = isinstance(event, CameraAnswerEvent) and event.WhichOneof("event") == "delta"
            self.ended = not more
            self.events.put_nowait(event)


class WorkersTogether(Workers):
    """Sends calls to workers. Cameras of one worker that are asked the same thing before the event
    loop's next turn are asked in one call.

    Each camera's events, errors and end are its own, as if it were asked alone. A worker that
    does not know such calls is asked about one camera at a time.
    """

    def __init__(self, channels: ChannelPool) -> None:
        super().__init__(channels)
        self._channels_of_calls = channels
        self._gathered: dict[Key, _Call] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def ask(
        self, route: Route, question: Question, deadline: float
    ) -> AsyncIterator[WorkerServiceAskResponse]:
        """As `Workers.ask`."""
        call, member = self._join(route, question, deadline)
        try:
            while not isinstance(event := await member.events.get(), _Over):
                if isinstance(event, HermesError):
                    raise event
                if isinstance(event, _Alone):
                    alone: Any = super().ask(route, question, deadline)
                    async with aclosing(alone) as responses:
                        async for response in responses:
                            yield response
                    return
                if event.HasField("error"):
                    raise _error_of(event, route)
                if event.HasField("complete"):
                    yield WorkerServiceAskResponse(complete=event.complete)
                    return
                yield WorkerServiceAskResponse(delta=event.delta)
        finally:
            call.leave(member)

    def _join(self, route: Route, question: Question, deadline: float) -> tuple[_Call, _Member]:
        about = Question()
        about.CopyFrom(question)
        about.ClearField("camera_id")
        mark = current_mark()
        key = (route.address, mark, deadline, about.SerializeToString(deterministic=True))
        call = self._gathered.get(key)
        if call is None or route.camera_id in call.members:
            call = self._gathered[key] = _Call(self._channels_of_calls, about, deadline)
            # Cameras whose owners were read together join before the loop comes to this.
            asyncio.get_running_loop().call_soon(self._start, key, call)
        return call, call.join(route)

    def _start(self, key: Key, call: _Call) -> None:
        if self._gathered.get(key) is call:
            del self._gathered[key]
        if len(call.members) == 1:
            call.alone()
            return
        task = asyncio.create_task(call.run())
        call.task = task
        self._running.add(task)
        task.add_done_callback(self._running.discard)


class _Call:
    """One call about several cameras of one worker."""

    def __init__(self, channels: ChannelPool, question: Question, deadline: float) -> None:
        self._channels = channels
        self._question = question
        self._deadline = deadline
        self.members: dict[str, _Member] = {}
        self.task: asyncio.Task[None] | None = None

    def join(self, route: Route) -> _Member:
        """Ask this camera, too."""
        member = self.members[route.camera_id] = _Member(route)
        return member

    def leave(self, member: _Member) -> None:
        """Stop waiting for this camera. Once no camera is waited for, the call is cancelled."""
        if member.ended:
            return
        member.ended = True
        if self.task is not None and all(other.ended for other in self.members.values()):
            self.task.cancel()

    def alone(self) -> None:
        """Have each camera asked in a call of its own."""
        for member in self.members.values():
            member.put(_Alone())

    async def run(self) -> None:
        """Make the call, and pass on what comes."""
        try:
            await self._run()
        except HermesError as error:
            self._fail(error)
        except Exception:
            log.exception("asking_together_failed")
            self._fail(HermesError(INTERNAL_MESSAGE))
        finally:
            for member in self.members.values():
                member.put(_Over())

    async def _run(self) -> None:
        wanted = [member.route for member in self.members.values() if not member.ended]
        if not wanted:
            return
        cameras = [CameraEpoch(camera_id=one.camera_id, epoch=one.epoch) for one in wanted]
        request = WorkerServiceAskManyRequest(question=self._question, cameras=cameras)
        remaining = left_until(self._deadline)
        async with self._channels.use(wanted[0].address) as channel:
            ask_many = cast(Any, WorkerServiceStub)(channel).AskMany
            call = ask_many(request, timeout=remaining, metadata=outgoing())
            try:
                await self._read(call)
            except grpc.aio.AioRpcError as error:
                self._broken_off(error)
            finally:
                call.cancel()

    async def _read(self, call: Any) -> None:
        while (response := await call.read()) is not grpc.aio.EOF:
            for event in response.events:
                if (member := self.members.get(event.camera_id)) is not None:
                    member.put(event)
            if all(member.ended for member in self.members.values()):
                await end_of(call, self._deadline)
                return

    def _broken_off(self, status: grpc.aio.AioRpcError) -> None:
        if status.code() == grpc.StatusCode.UNIMPLEMENTED and typed_error(status) is None:
            self.alone()  # the worker is older than this gateway
            return
        for member in self.members.values():
            if not member.ended:
                member.put(error_of(status, member.route))

    def _fail(self, error: HermesError) -> None:
        for member in self.members.values():
            member.put(error)


def _error_of(event: CameraAnswerEvent, route: Route) -> HermesError:
    """The error of one camera, as it is shown to the client."""
    typed = error_of_camera(event.error, route.camera_id)
    if type(typed) is not HermesError:
        return typed
    code = _CODES.get(event.error.code, grpc.StatusCode.UNKNOWN)
    return error_of_code(code, event.error.message, route)
