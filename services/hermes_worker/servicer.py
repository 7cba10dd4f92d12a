"""`hermes.v1.WorkerService`: questions to the engine, under the camera's lease."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from hermes.contents import MemoryContents
from hermes.contents_message import message_of
from hermes.engine import AnswerResult, Engine
from hermes.errors import HermesError, Unsupported
from hermes.frame_query import query_of
from hermes.merged_question import CameraAnswer
from hermes.question import Question
from hermes.v1 import query_pb2, worker_pb2, worker_pb2_grpc
from services.common import logs, tracing
from services.common.caller import caller_in
from services.common.frame_log import BEGINNING, FrameLog
from services.common.metrics import Metrics
from services.hermes_worker.convert import complete_message, evidence_message
from services.hermes_worker.evidence_pictures import pictures_of
from services.hermes_worker.frame_choice import chosen, picture_message
from services.hermes_worker.many import ManyCameras
from services.hermes_worker.question_door import QuestionDoor, prepare, ready_at
from services.hermes_worker.tenure import Tenure
from services.hermes_worker.tenures import Tenures
from services.hermes_worker.watches.trial import evaluation_of, trial_question

log = logs.get(__name__)

MAX_CONTENTS_BYTES = 4_000_000
"""What gRPC lets through by default, 4 MiB, less some room: gateways and clients need no option."""


class _QueueSink:
    """Passes an answer from the device's thread to the event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.queue: asyncio.Queue[str | AnswerResult | HermesError] = asyncio.Queue()

    def delta(self, text: str) -> None:
        self._put(text)

    def done(self, result: AnswerResult) -> None:
        self._put(result)

    def failed(self, error: HermesError) -> None:
        self._put(error)

    def _put(self, item: str | AnswerResult | HermesError) -> None:
        try:
            self._loop.call_soon_threadsafe(self.queue.put_nowait, item)
        except RuntimeError:
            log.debug("answer_after_shutdown")  # the loop is closed: no caller is left


class WorkerServicer(worker_pb2_grpc.WorkerServiceServicer):
    """Answers questions about the cameras that this worker owns."""

    def __init__(
        self,
        engine: Engine,
        tenures: Tenures,
        epoch_of: Callable[[str], int | None],
        frame_log: FrameLog,
        metrics: Metrics,
    ) -> None:
        """`epoch_of`: the epoch under which a camera is ours at this moment, or None."""
        self._engine = engine
        self._door = QuestionDoor(engine.model.name, tenures, epoch_of, frame_log, metrics)
        self._many = ManyCameras(engine, self._door)
        self._looking = asyncio.Lock()

    async def Ask(  # noqa: N802 - the name is the interface
        self, request: worker_pb2.WorkerServiceAskRequest, context: Any
    ) -> AsyncIterator[worker_pb2.WorkerServiceAskResponse]:
        """Stream the answer. Stops at once if the lease ends, or the client goes."""
        received_ms = int(time.time() * 1000)
        question = request.question
        camera_id = question.camera_id
        epoch = self._door.owned_epoch(camera_id, at_least=request.epoch)
        tracing.note(camera=camera_id, epoch=epoch, model=self._engine.model.name)
        tenure = self._door.tenure(camera_id)
        with tenure.answering():
            caller = caller_in(context.invocation_metadata())
            answer = self._answer(tenure, question, epoch, received_ms, caller)
            async with aclosing(answer) as responses:
                async for response in responses:
                    yield response

    async def _answer(
        self,
        tenure: Tenure,
        question: query_pb2.Question,
        epoch: int,
        received_ms: int,
        caller: str,
    ) -> AsyncGenerator[worker_pb2.WorkerServiceAskResponse, None]:
        camera_id = question.camera_id
        wanted = self._door.wanted(question, received_ms)
        target = (await self._door.targets([camera_id], question)).get(camera_id)
        self._door.check_seen(tenure, target or BEGINNING)
        await prepare(tenure, wanted)
        sink = _QueueSink()
        asked = time.time()
        answer = tenure.handle.ask(wanted, sink, ready=ready_at(target), caller=caller)
        try:
            while True:
                item = await sink.queue.get()
                self._door.check_owned(camera_id, epoch)
                if isinstance(item, HermesError):
                    raise item
                if isinstance(item, AnswerResult):
                    pictures = question.evidence.pictures
                    complete = self._door.complete(item, tenure, epoch, asked, pictures=pictures)
                    yield worker_pb2.WorkerServiceAskResponse(complete=complete)
                    return
                yield worker_pb2.WorkerServiceAskResponse(delta=query_pb2.Delta(text=item))
        finally:
            answer.cancel()
            self._engine.nudge()

    async def AskMany(  # noqa: N802 - the name is the interface
        self, request: worker_pb2.WorkerServiceAskManyRequest, context: Any
    ) -> AsyncIterator[worker_pb2.WorkerServiceAskManyResponse]:
        """Stream the answers of several cameras. Each stops at once if its lease ends."""
        tracing.note(cameras=len(request.cameras), model=self._engine.model.name)
        caller = caller_in(context.invocation_metadata())
        answers = self._many.ask(request, int(time.time() * 1000), caller)
        async with aclosing(answers) as responses:
            async for response in responses:
                yield response

    async def Evaluate(  # noqa: N802 - the name is the interface
        self, request: worker_pb2.WorkerServiceEvaluateRequest, context: Any
    ) -> worker_pb2.WorkerServiceEvaluateResponse:
        """Ask a watch once, of memory as it is."""
        camera_id, watch = request.camera_id, request.watch
        epoch = self._door.owned_epoch(camera_id, at_least=request.epoch)
        tracing.note(camera=camera_id, epoch=epoch, model=self._engine.model.name)
        tenure = self._door.tenure(camera_id)
        with tenure.answering():
            self._door.check_seen(tenure)
            most_tokens = tenure.handle.max_answer_tokens
            wanted = trial_question(watch, request.evidence.frames, most_tokens)
            caller = caller_in(context.invocation_metadata())
            text, result = await self._whole(tenure, wanted, caller)
        self._door.check_owned(camera_id, epoch)
        response = worker_pb2.WorkerServiceEvaluateResponse(
            evaluation=evaluation_of(watch, text, result), epoch=epoch
        )
        if result.evidence is not None:
            seen = result.evidence if request.evidence.pictures else None
            pictures = pictures_of(seen, tenure.pictures)
            response.evidence.CopyFrom(evidence_message(result.evidence, pictures))
        return response

    async def _whole(
        self, tenure: Tenure, question: Question, caller: str
    ) -> tuple[str, AnswerResult]:
        """An answer's text and its facts, once it is over."""
        await prepare(tenure, question)
        sink, text = _QueueSink(), ""
        answer = tenure.handle.ask(question, sink, caller=caller)
        try:
            while True:
                item = await sink.queue.get()
                if isinstance(item, HermesError):
                    raise item
                if isinstance(item, AnswerResult):
                    return text, item
                text += item
        finally:
            answer.cancel()
            self._engine.nudge()

    async def Merge(  # noqa: N802 - the name is the interface
        self, request: worker_pb2.WorkerServiceMergeRequest, context: Any
    ) -> AsyncIterator[worker_pb2.WorkerServiceMergeResponse]:
        """Stream one answer made of the cameras' answers. No camera's memory is read."""
        tracing.note(cameras=len(request.answers), model=self._engine.model.name)
        wanted = self._door.wanted(request.question, int(time.time() * 1000))
        answers = [
            CameraAnswer(one.camera_id, one.text, one.display_name) for one in request.answers
        ]
        sink = _QueueSink()
        # Texts are cut until they fit, which may take a while.
        caller = caller_in(context.invocation_metadata())
        asking = asyncio.to_thread(self._engine.merge, wanted, answers, sink, caller)
        answer, shortened = await asking
        try:
            while not isinstance(item := await sink.queue.get(), AnswerResult):
                if isinstance(item, HermesError):
                    raise item
                yield worker_pb2.WorkerServiceMergeResponse(delta=query_pb2.Delta(text=item))
            complete = complete_message(item, 0, self._engine.model.name)
            complete.shortened_answers = shortened
            yield worker_pb2.WorkerServiceMergeResponse(complete=complete)
        finally:
            answer.cancel()
            self._engine.nudge()

    async def GetEvidence(  # noqa: N802 - the name is the interface
        self, request: worker_pb2.WorkerServiceGetEvidenceRequest, context: Any
    ) -> worker_pb2.WorkerServiceGetEvidenceResponse:
        """The frames that an answer rests on. It counts as an open answer."""
        camera_id = request.camera_id
        epoch = self._door.owned_epoch(camera_id, at_least=request.epoch)
        tracing.note(camera=camera_id, epoch=epoch, model=self._engine.model.name)
        tenure = self._door.tenure(camera_id)
        with tenure.answering():
            caller, frames = caller_in(context.invocation_metadata()), request.evidence.frames
            looked = tenure.handle.evidence(request.answer_id, frames, caller=caller)
            found = await asyncio.wrap_future(looked)
        self._door.check_owned(camera_id, epoch)
        seen = found if request.evidence.pictures else None
        message = evidence_message(found, pictures_of(seen, tenure.pictures))
        return worker_pb2.WorkerServiceGetEvidenceResponse(evidence=message, epoch=epoch)

    async def Inspect(  # noqa: N802 - the name is the interface
        self, request: worker_pb2.WorkerServiceInspectRequest, context: Any
    ) -> worker_pb2.WorkerServiceInspectResponse:
        """What the memory holds. One inspection at a time; answers go on in between."""
        camera_id = request.camera_id
        epoch = self._door.owned_epoch(camera_id, at_least=request.epoch)
        tracing.note(camera=camera_id, epoch=epoch, model=self._engine.model.name)
        tenure = self._door.tenure(camera_id)
        tenure.require_serving()
        async with self._looking:
            seen = await asyncio.wrap_future(tenure.handle.inspect())
            contents = replace(seen, model=self._engine.model.name, epoch=epoch)
            response = await asyncio.to_thread(_inspected, camera_id, contents)
        self._door.check_owned(camera_id, epoch)
        return response

    async def ListFrames(  # noqa: N802 - the name is the interface
        self, request: worker_pb2.WorkerServiceListFramesRequest, context: Any
    ) -> AsyncIterator[worker_pb2.WorkerServiceListFramesResponse]:
        """Send the frames that memory holds, one by one as they are read, each with its picture."""
        query = query_of(request.query)
        camera_id = query.camera_id
        epoch = self._door.owned_epoch(camera_id, at_least=request.epoch)
        tracing.note(camera=camera_id, epoch=epoch)
        tenure = self._door.tenure(camera_id)
        tenure.require_serving()
        self._door.check_seen(tenure)
        pictures = tenure.pictures
        if not pictures.limit_bytes and not query.without_pictures:
            raise Unsupported(
                f"the worker of camera {camera_id!r} keeps no pictures: --kept-pictures is 0"
            )
        for frame in await asyncio.to_thread(lambda: chosen(pictures.frames(), query)):
            self._door.check_owned(camera_id, epoch)
            jpeg = None if query.without_pictures else pictures.get(frame.number) or b""
            message = picture_message(frame, jpeg)
            yield worker_pb2.WorkerServiceListFramesResponse(frame=message, epoch=epoch)


def _inspected(camera_id: str, contents: MemoryContents) -> worker_pb2.WorkerServiceInspectResponse:
    message = message_of(contents)
    size = message.ByteSize()
    if size > MAX_CONTENTS_BYTES:
        raise Unsupported(
            f"the memory of {camera_id!r} is too large for one message: {size} bytes of at most"
            f" {MAX_CONTENTS_BYTES}"
        )
    return worker_pb2.WorkerServiceInspectResponse(contents=message)
