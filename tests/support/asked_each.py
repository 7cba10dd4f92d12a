"""A call about many cameras, played as a call about each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from hermes.camera_error import camera_error
from hermes.errors import HermesError
from hermes.v1.query_pb2 import CameraError
from hermes.v1.worker_pb2 import (
    CameraAnswerEvent,
    CameraEpoch,
    WorkerServiceAskManyRequest,
    WorkerServiceAskManyResponse,
    WorkerServiceAskRequest,
    WorkerServiceAskResponse,
)

Ask = Callable[[WorkerServiceAskRequest, Any], Awaitable[None]]


class _Context:
    """What `ask` takes for the context of a call about one camera."""

    def __init__(self, camera_id: str, whole: Any, writing: asyncio.Lock) -> None:
        self.aborted: grpc.StatusCode | None = None
        self._camera_id = camera_id
        self._whole = whole
        self._writing = writing

    def time_remaining(self) -> float | None:
        left: float | None = self._whole.time_remaining()
        return left

    def auth_context(self) -> Any:
        return self._whole.auth_context()

    def invocation_metadata(self) -> Any:
        return self._whole.invocation_metadata()

    async def write(self, response: WorkerServiceAskResponse) -> None:
        if response.HasField("complete"):
            await self.send(CameraAnswerEvent(complete=response.complete))
        else:
            await self.send(CameraAnswerEvent(delta=response.delta))

    async def send(self, event: CameraAnswerEvent) -> None:
        event.camera_id = self._camera_id
        async with self._writing:  # gRPC takes one message at a time
            await self._whole.write(WorkerServiceAskManyResponse(events=[event]))

    async def abort(self, code: grpc.StatusCode, text: str) -> None:
        self.aborted = code
        raise RuntimeError(text)


async def ask_each(ask: Ask, request: WorkerServiceAskManyRequest, context: Any) -> None:
    """Ask about every camera at the same time. What would end its call is its error."""
    writing = asyncio.Lock()

    async def one(camera: CameraEpoch) -> None:
        own = WorkerServiceAskRequest(question=request.question, epoch=camera.epoch)
        own.question.camera_id = camera.camera_id
        told = _Context(camera.camera_id, context, writing)
        try:
            await ask(own, told)
        except Exception as error:
            await told.send(CameraAnswerEvent(error=_as_error(error, told)))

    async with asyncio.TaskGroup() as group:
        for camera in request.cameras:
            group.create_task(one(camera))


def _as_error(error: Exception, told: _Context) -> CameraError:
    if isinstance(error, HermesError):
        return camera_error(error)
    code = grpc.StatusCode.INTERNAL if told.aborted is None else told.aborted
    return CameraError(code=code.value[0], message=str(error))
