"""The gRPC services of the API: thin adapters between messages and the gateway's parts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

from hermes.errors import InvalidInput
from hermes.selector import Selector
from hermes.v1 import camera_pb2 as camera
from hermes.v1.camera_pb2_grpc import CameraServiceServicer
from hermes.v1.memory_pb2 import (
    MemoryServiceInspectRequest,
    MemoryServiceInspectResponse,
    MemoryServiceListFramesRequest,
    MemoryServiceListFramesResponse,
)
from hermes.v1.memory_pb2_grpc import MemoryServiceServicer
from hermes.v1.query_pb2 import (
    Freshness,
    QueryServiceAskManyRequest,
    QueryServiceAskRequest,
    QueryServiceAskResponse,
    QueryServiceGetEvidenceRequest,
    QueryServiceGetEvidenceResponse,
    Question,
)
from hermes.v1.query_pb2_grpc import QueryServiceServicer
from services.common import tracing
from services.common.cameras import check_id
from services.common.metrics import Metrics
from services.query_gateway.access.allowed import Allowed
from services.query_gateway.answer_times import AnswerTimes
from services.query_gateway.asked_past import AskedPast
from services.query_gateway.camera_update import CameraUpdate
from services.query_gateway.catalogue import CameraCatalogue
from services.query_gateway.frames import Frames
from services.query_gateway.many import ManyCameras
from services.query_gateway.open_questions import OpenQuestions
from services.query_gateway.probes import Probes
from services.query_gateway.questions import QuestionRules
from services.query_gateway.router import Router
from services.query_gateway.workers import deadline_exceeded


class CameraServicer(CameraServiceServicer):
    """hermes.v1.CameraService."""

    def __init__(
        self,
        catalogue: CameraCatalogue,
        probes: Probes,
        frames: Frames,
        default_deadline_s: float,
        allowed: Allowed,
    ) -> None:
        self._catalogue = catalogue
        self._probes = probes
        self._frames = frames
        self._default_deadline_s = default_deadline_s
        self._allowed = allowed

    async def Add(  # noqa: N802, D102
        self, request: camera.CameraServiceAddRequest, context: Any
    ) -> camera.CameraServiceAddResponse:
        if not request.HasField("camera"):
            raise InvalidInput("camera", "is missing")
        added = await self._catalogue.add(request.camera, self._allowed.cameras())
        return camera.CameraServiceAddResponse(camera=added)

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

    async def Snapshot(  # noqa: N802, D102
        self, request: camera.CameraServiceSnapshotRequest, context: Any
    ) -> camera.CameraServiceSnapshotResponse:
        async with in_time(context, self._default_deadline_s) as deadline:
            return await self._frames.newest(request.camera_id, deadline)


class QueryServicer(QueryServiceServicer):
    """hermes.v1.QueryService."""

    def __init__(
        self,
        router: Router,
        rules: QuestionRules,
        open_questions: OpenQuestions,
        many: ManyCameras,
        metrics: Metrics,
        default_deadline_s: float,
        past: AskedPast,
    ) -> None:
        self._router = router
        self._rules = rules
        self._many = many
        self._open_questions = open_questions
        self._metrics = metrics
        self._default_deadline_s = default_deadline_s
        self._past = past

    async def Ask(self, request: QueryServiceAskRequest, context: Any) -> None:  # noqa: N802, D102
        times = AnswerTimes(self._metrics, asyncio.get_running_loop().time())
        question = self._rules.check(request)
        self._past.check(question)
        form = question.WhichOneof("form") or "text"
        tracing.note(
            camera=question.camera_id,
            freshness=Freshness.Name(question.freshness),
            form=form,
            span=question.HasField("span"),
            evidence=question.evidence.frames,
        )
        with self._open_questions.enter():
            self._metrics.question_forms.labels(form).inc()
            async with in_time(context, self._default_deadline_s) as deadline:
                await self._forward(question, context, deadline, times)

    async def GetEvidence(  # noqa: N802, D102
        self, request: QueryServiceGetEvidenceRequest, context: Any
    ) -> QueryServiceGetEvidenceResponse:
        self._rules.check_later(request)
        tracing.note(camera=request.camera_id, evidence=request.evidence.frames)
        with self._open_questions.enter():
            async with in_time(context, self._default_deadline_s) as deadline:
                evidence = await self._router.evidence(request, deadline)
        return QueryServiceGetEvidenceResponse(evidence=evidence)

    async def _forward(
        self, question: Question, context: Any, deadline: float, times: AnswerTimes
    ) -> None:
        async with aclosing(self._router.ask(question, deadline)) as events:
            async for event in events:
                if event.WhichOneof("event") == "complete":
                    times.close(event.complete)
                    await context.write(QueryServiceAskResponse(complete=event.complete))
                    continue
                await context.write(QueryServiceAskResponse(delta=event.delta))
                times.passed_on()

    async def AskMany(  # noqa: N802, D102
        self, request: QueryServiceAskManyRequest, context: Any
    ) -> None:
        async with in_time(context, self._default_deadline_s) as deadline:
            await self._many.ask(request, deadline, context.write)


class MemoryServicer(MemoryServiceServicer):
    """hermes.v1.MemoryService. An inspection counts as an open question."""

    def __init__(
        self,
        router: Router,
        open_questions: OpenQuestions,
        frames: Frames,
        default_deadline_s: float,
    ) -> None:
        self._router = router
        self._open_questions = open_questions
        self._frames = frames
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

    async def ListFrames(  # noqa: N802, D102
        self, request: MemoryServiceListFramesRequest, context: Any
    ) -> None:
        async with (
            in_time(context, self._default_deadline_s) as deadline,
            aclosing(self._frames.list(request.query, deadline)) as frames,
        ):
            async for frame in frames:
                await context.write(MemoryServiceListFramesResponse(frame=frame))


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
