"""Calls to workers, and the translation of their errors for clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, cast

import grpc
import grpc.aio
from google.protobuf.message import Message

from hermes import errors
from hermes.statuses import typed_error
from hermes.v1.memory_pb2 import FrameQuery, MemoryContents
from hermes.v1.query_pb2 import EvidenceRequest, QueryServiceGetEvidenceRequest, Question
from hermes.v1.watch_pb2 import Watch
from hermes.v1.worker_pb2 import (
    WorkerServiceAskRequest,
    WorkerServiceAskResponse,
    WorkerServiceEvaluateRequest,
    WorkerServiceEvaluateResponse,
    WorkerServiceGetEvidenceRequest,
    WorkerServiceGetEvidenceResponse,
    WorkerServiceInspectRequest,
    WorkerServiceListFramesRequest,
    WorkerServiceListFramesResponse,
)
from hermes.v1.worker_pb2_grpc import WorkerServiceStub
from services.common import logs
from services.common.rpc import INTERNAL_MESSAGE
from services.query_gateway.channels import ChannelPool
from services.query_gateway.outgoing import outgoing
from services.query_gateway.resolver import Route
from services.query_gateway.worker_versions import WorkerVersions

log = logs.get(__name__)

RETRY_AFTER_S = 1.0
ENDING_S = 1.0


class Workers:
    """Sends calls to workers."""

    def __init__(self, channels: ChannelPool) -> None:
        self._channels = channels
        self._versions = WorkerVersions()

    async def ask(
        self, route: Route, question: Question, deadline: float
    ) -> AsyncIterator[WorkerServiceAskResponse]:
        """Yield the worker's events as they arrive; the last is complete. Closing the generator
        cancels the call.

        `deadline` is a time of the running loop's clock; the worker gets the time
        that is left. Raises `HermesError`.
        """
        remaining = left_until(deadline)
        request = WorkerServiceAskRequest(question=question, epoch=route.epoch)
        async with self._channels.use(route.address) as channel:
            try:
                await self._versions.check(channel, route, question, remaining)
            except grpc.aio.AioRpcError as error:
                raise error_of(error, route) from error
            ask = cast(Any, WorkerServiceStub)(channel).Ask
            call = ask(request, timeout=remaining, metadata=outgoing())
            try:
                while (event := await call.read()) is not grpc.aio.EOF:
                    yield event
                    if event.WhichOneof("event") == "complete":
                        await end_of(call, deadline)
                        return
            except grpc.aio.AioRpcError as error:
                raise error_of(error, route) from error
            finally:
                call.cancel()

    async def inspect(self, route: Route, deadline: float) -> MemoryContents:
        """What the memory at the end of the route holds. `deadline` and errors as for `ask`."""
        request = WorkerServiceInspectRequest(camera_id=route.camera_id, epoch=route.epoch)
        response = await self._call("Inspect", route, request, deadline)
        return cast(MemoryContents, response.contents)

    async def evidence(
        self, route: Route, wanted: QueryServiceGetEvidenceRequest, deadline: float
    ) -> WorkerServiceGetEvidenceResponse:
        """The evidence of an answer, and the epoch. `deadline` and errors as for `ask`."""
        request = WorkerServiceGetEvidenceRequest(
            answer_id=wanted.answer_id,
            evidence=wanted.evidence,
            camera_id=wanted.camera_id,
            epoch=route.epoch,
        )
        response = await self._call("GetEvidence", route, request, deadline)
        return cast(WorkerServiceGetEvidenceResponse, response)

    async def _call(self, method: str, route: Route, request: Message, deadline: float) -> Any:
        """Call a method that sends one response."""
        remaining = left_until(deadline)
        async with self._channels.use(route.address) as channel:
            try:
                call = getattr(cast(Any, WorkerServiceStub)(channel), method)
                return await call(request, timeout=remaining, metadata=outgoing())
            except grpc.aio.AioRpcError as error:
                raise error_of(error, route) from error

    async def frames(
        self, route: Route, query: FrameQuery, deadline: float
    ) -> AsyncIterator[WorkerServiceListFramesResponse]:
        """Yield frames as they arrive. As `ask` in all else."""
        remaining = left_until(deadline)
        request = WorkerServiceListFramesRequest(query=query, epoch=route.epoch)
        async with self._channels.use(route.address) as channel:
            frames = cast(Any, WorkerServiceStub)(channel).ListFrames
            call = frames(request, timeout=remaining, metadata=outgoing())
            try:
                while (response := await call.read()) is not grpc.aio.EOF:
                    yield response
            except grpc.aio.AioRpcError as error:
                raise error_of(error, route) from error
            finally:
                call.cancel()

    async def evaluate(
        self, route: Route, watch: Watch, evidence: EvidenceRequest, deadline: float
    ) -> WorkerServiceEvaluateResponse:
        """Ask a watch of the camera of the route. `deadline` and errors as for `ask`."""
        remaining = left_until(deadline)
        request = WorkerServiceEvaluateRequest(
            watch=watch, camera_id=route.camera_id, epoch=route.epoch, evidence=evidence
        )
        async with self._channels.use(route.address) as channel:
            try:
                evaluate = cast(Any, WorkerServiceStub)(channel).Evaluate
                metadata = outgoing()
                response = await evaluate(request, timeout=remaining, metadata=metadata)
                return cast(WorkerServiceEvaluateResponse, response)
            except grpc.aio.AioRpcError as error:
                raise error_of(error, route) from error


def error_of(status: grpc.aio.AioRpcError, route: Route) -> errors.HermesError:
    """The error shown to the client for a worker's status.

    An error of our own types is passed on unchanged. Any other is passed on only
    by its kind: its text may name addresses and internals, and goes to the log.
    """
    typed = typed_error(status)
    if typed is not None and type(typed) is not errors.HermesError:
        return typed
    return error_of_code(status.code(), status.details() or "", route)


def error_of_code(code: grpc.StatusCode, text: str, route: Route) -> errors.HermesError:
    """The error shown to the client for one that is not of our own types. `text` is logged."""
    described = {
        "camera": route.camera_id,
        "worker": route.address,
        "code": code.name,
        "error": text,
    }
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
        log.warning("worker_gone", **described)
        return errors.Unavailable(
            f"the worker of camera {route.camera_id!r} went away; another takes over", RETRY_AFTER_S
        )
    if code == grpc.StatusCode.DEADLINE_EXCEEDED:
        return deadline_exceeded()
    if code == grpc.StatusCode.RESOURCE_EXHAUSTED:
        return errors.Overloaded("the worker has no room for this question now", RETRY_AFTER_S)
    if code == grpc.StatusCode.UNIMPLEMENTED:
        return errors.Unsupported(
            f"the worker of camera {route.camera_id!r} is older than the gateway: update it"
        )
    log.error("worker_failed", **described)
    return errors.HermesError(INTERNAL_MESSAGE)


def deadline_exceeded() -> errors.DeadlineExceeded:
    """The error for an answer that was not finished in time."""
    return errors.DeadlineExceeded("the answer was not finished before the deadline")


async def end_of(call: Any, deadline: float) -> None:
    """Wait for the end of a call whose answer is complete.

    If it were cancelled, the worker would count the answer as broken off. How the
    call ends does not matter any more.
    """
    left = deadline - asyncio.get_running_loop().time()
    with suppress(TimeoutError):
        async with asyncio.timeout(min(ENDING_S, left / 2)):
            await call.code()


def left_until(deadline: float) -> float:
    """Seconds until a time of the running loop's clock. Raises `DeadlineExceeded` if it is over."""
    remaining = deadline - asyncio.get_running_loop().time()
    if remaining <= 0:
        raise deadline_exceeded()
    return remaining
