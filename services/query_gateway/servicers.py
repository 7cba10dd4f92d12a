"""The gRPC services of the API: thin adapters between messages and the gateway's parts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

from google.protobuf.duration_pb2 import Duration

from hermes.errors import InvalidInput
from hermes.selector import Selector
from hermes.v1 import camera_pb2 as camera
from hermes.v1.camera_pb2_grpc import CameraServiceServicer
from hermes.v1.memory_pb2 import MemoryServiceInspectRequest, MemoryServiceInspectResponse
from hermes.v1.memory_pb2_grpc import MemoryServiceServicer
from hermes.v1.query_pb2 import (
    Complete,
    Freshness,
    QueryServiceAskRequest,
    QueryServiceAskResponse,
    Question,
)
from hermes.v1.query_pb2_grpc import QueryServiceServicer
from services.common import tracing
from services.common.cameras import check_id
from services.common.metrics import Metrics
from services.query_gateway.camera_update import CameraUpdate
from services.query_gateway.catalogue import CameraCatalogue
from services.query_gateway.open_questions import OpenQuestions
from services.query_gateway.probes import Probes
from services.query_gateway.questions import QuestionRules
from services.query_gateway.router import Router
from services.query_gateway.workers import deadline_exceeded


class CameraServicer(CameraServiceServicer):
    """hermes.v1.CameraService."""

    def __init__(self, catalogue: CameraCatalogue, probes: Probes) -> None:
        self._catalogue = catalogue
        self._probes = probes

    async def Add(  # noqa: N802, D102
        self, request: camera.CameraServiceAddRequest, context: Any
    ) -> camera.CameraServiceAddResponse:
        if not request.HasField("camera"):
            raise InvalidInput("camera", "is missing")
        return camera.CameraServiceAddResponse(camera=await self._catalogue.add(request.camera))

    async def Get(  # noqa: N802, D102
        self, request: camera.CameraServiceGetRequest, context: Any
    ) -> camera.CameraServiceGetResponse:
        return camera.CameraServiceGetResponse(camera=await self._catalogue.get(request.camera_id))

    async def List(  # noqa: N802, D102
        self, request: camera.CameraServiceListRequest, context: Any
    ) -> camera.CameraServiceListResponse:
        selector = Selector.parse(request.selector)
        return camera.CameraServiceListResponse(cameras=await self._catalogue.all(selector))

    async def Update(  # noqa: N802, D102
        self, request: camera.CameraServiceUpdateRequest, context: Any
    ) -> camera.CameraServiceUpdateResponse:
        if not request.HasField("camera"):
            raise InvalidInput("camera", "is missing")
        updated = await self._catalogue.update(CameraUpdate.read(request))
        return camera.CameraServiceUpdateResponse(camera=updated)

    async def Remove(  # noqa: N802, D102
        self, request: camera.CameraServiceRemoveRequest, context: Any
    ) -> camera.CameraServiceRemoveResponse:
        await self._catalogue.remove(request.camera_id)
        return camera.CameraServiceRemoveResponse()

    async def Probe(  # noqa: N802, D102
        self, request: camera.CameraServiceProbeRequest, context: Any
    ) -> camera.CameraServiceProbeResponse:
        if not request.HasField("camera"):
            raise InvalidInput("camera", "is missing")
        return await self._probes.probe(request.camera, thumbnail=request.thumbnail)


class QueryServicer(QueryServiceServicer):
    """hermes.v1.QueryService."""

    def __init__(
        self,
        router: Router,
        rules: QuestionRules,
        open_questions: OpenQuestions,
        metrics: Metrics,
        default_deadline_s: float,
    ) -> None:
        self._router = router
        self._rules = rules
        self._open_questions = open_questions
        self._metrics = metrics
        self._default_deadline_s = default_deadline_s

    async def Ask(self, request: QueryServiceAskRequest, context: Any) -> None:  # noqa: N802, D102
        now = asyncio.get_running_loop().time
        received = now()
        question = self._rules.check(request)
        tracing.note(camera=question.camera_id, freshness=Freshness.Name(question.freshness))
        with self._open_questions.enter():
            async with in_time(context, self._default_deadline_s) as deadline:
                await self._forward(question, context, deadline, received, now)

    async def _forward(
        self,
        question: Question,
        context: Any,
        deadline: float,
        received: float,
        now: Callable[[], float],
    ) -> None:
        first_sent: float | None = None
        async with aclosing(self._router.ask(question, deadline)) as events:
            async for event in events:
                if event.WhichOneof("event") == "complete":
                    complete = event.complete
                    self._close(complete, received, first_sent, now())
                    await context.write(QueryServiceAskResponse(complete=complete))
                    continue
                await context.write(QueryServiceAskResponse(delta=event.delta))
                if first_sent is None:
                    first_sent = now()

    def _close(
        self, complete: Complete, received: float, first_sent: float | None, ended: float
    ) -> None:
        """Add the times that only the gateway knows."""
        complete.timings.total.CopyFrom(_duration(ended - received))
        if first_sent is None:  # an empty answer
            return
        elapsed = first_sent - received
        complete.timings.gateway_time_to_first_token.CopyFrom(_duration(elapsed))
        observed = self._metrics.time_to_first_token.labels(complete.model, "gateway")
        observed.observe(elapsed, tracing.exemplar())


class MemoryServicer(MemoryServiceServicer):
    """hermes.v1.MemoryService. An inspection counts as an open question."""

    def __init__(
        self, router: Router, open_questions: OpenQuestions, default_deadline_s: float
    ) -> None:
        self._router = router
        self._open_questions = open_questions
        self._default_deadline_s = default_deadline_s

    async def Inspect(  # noqa: N802, D102
        self, request: MemoryServiceInspectRequest, context: Any
    ) -> MemoryServiceInspectResponse:
        camera_id = check_id(request.camera_id)
        tracing.note(camera=camera_id)
        with self._open_questions.enter():
            async with in_time(context, self._default_deadline_s) as deadline:
                contents = await self._router.inspect(camera_id, deadline)
        return MemoryServiceInspectResponse(contents=contents)


@asynccontextmanager
async def in_time(context: Any, default_s: float) -> AsyncIterator[float]:
    """The call's deadline by the running loop's clock. Raises `DeadlineExceeded` once it passes."""
    given = context.time_remaining()
    deadline = asyncio.get_running_loop().time() + (default_s if given is None else given)
    try:
        async with asyncio.timeout_at(deadline) as timeout:
            yield deadline
    except TimeoutError:
        if timeout.expired():
            raise deadline_exceeded() from None
        raise


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromNanoseconds(round(seconds * 1e9))
    return duration
