"""The same question to several cameras of this worker: their answers, in one stream."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import ExitStack

from hermes.camera_error import camera_error
from hermes.engine import AnswerResult, Engine
from hermes.engine.answer import Answer
from hermes.errors import HermesError
from hermes.v1 import query_pb2
from hermes.v1.worker_pb2 import (
    CameraAnswerEvent,
    CameraEpoch,
    WorkerServiceAskManyRequest,
    WorkerServiceAskManyResponse,
)
from services.common import logs
from services.common.caller import UNKNOWN
from services.common.frame_log import BEGINNING
from services.common.redaction import redact
from services.common.rpc import INTERNAL_MESSAGE
from services.hermes_worker.arrivals import Arrivals, Item
from services.hermes_worker.question_door import QuestionDoor, prepare, ready_at
from services.hermes_worker.tenure import Tenure

log = logs.get(__name__)

MESSAGE_BYTES = 1 << 20
"""No event is added to a message that would exceed this: gRPC reads up to 4 MiB, and answers can
carry pictures.
"""


class _Camera:
    """A camera that has not ended. It is not handed over before `end`."""

    def __init__(self, door: QuestionDoor, asked: CameraEpoch) -> None:
        """Raises `HermesError` if it does not answer now."""
        self.id = asked.camera_id
        self.epoch = door.owned_epoch(self.id, asked.epoch)
        self.tenure: Tenure = door.tenure(self.id)
        self.asked = 0.0
        self.answer: Answer | None = None
        self._answering = ExitStack()
        self._answering.enter_context(self.tenure.answering())

    def end(self) -> None:
        """Drop what is left of its answer."""
        if self.answer is not None:
            self.answer.cancel()
        self._answering.close()


class ManyCameras:
    """Asks cameras together. What goes wrong with one concerns no other."""

    def __init__(self, engine: Engine, door: QuestionDoor) -> None:
        self._engine = engine
        self._door = door

    async def ask(
        self, request: WorkerServiceAskManyRequest, received_ms: int, caller: str = UNKNOWN
    ) -> AsyncGenerator[WorkerServiceAskManyResponse, None]:
        """Yield events as they come, each camera's in order; its last is a complete or an error.

        `caller`: the mark of who asks. Closing the generator drops the answers that have not ended.
        """
        call = _Call(self._engine, self._door, request, caller)
        try:
            await call.begin(received_ms)
            while call.waits:
                for message in await call.messages():
                    yield message
        finally:
            call.close()


class _Call:
    """One such question, from its cameras to the last event."""

    def __init__(
        self,
        engine: Engine,
        door: QuestionDoor,
        request: WorkerServiceAskManyRequest,
        caller: str,
    ) -> None:
        self._engine = engine
        self._door = door
        self._question = request.question
        self._caller = caller
        self._arrivals = Arrivals()
        self._asked = {one.camera_id: one for one in request.cameras}
        self._open = set(self._asked)
        self._cameras: dict[str, _Camera] = {}

    @property
    def waits(self) -> bool:
        """Whether a camera has not ended."""
        return bool(self._open)

    async def begin(self, received_ms: int) -> None:
        """Ask the engine about every camera. One that does not answer now gets its error."""
        for camera_id, one in self._asked.items():
            try:
                self._cameras[camera_id] = _Camera(self._door, one)
            except HermesError as error:
                self._arrivals.put(camera_id, error)
        if self._cameras:
            try:
                await self._ask_all(received_ms)
            except HermesError as error:
                for camera_id in self._cameras:
                    self._arrivals.put(camera_id, error)

    async def _ask_all(self, received_ms: int) -> None:
        cameras = list(self._cameras.values())
        targets = await self._door.targets([camera.id for camera in cameras], self._question)
        wanted = self._door.wanted(self._question, received_ms)
        await prepare(cameras[0].tenure, wanted)
        with self._engine.at_once():
            for camera in cameras:
                target = targets.get(camera.id)
                sink, camera.asked = self._arrivals.sink(camera.id), time.time()
                try:
                    self._door.check_seen(camera.tenure, target or BEGINNING)
                    camera.answer = camera.tenure.handle.ask(
                        wanted, sink, ready=ready_at(target), caller=self._caller
                    )
                except HermesError as error:
                    sink.failed(error)

    async def messages(self) -> list[WorkerServiceAskManyResponse]:
        """What has come since the last call, in one message if it is not too large for one."""
        items = await self._arrivals.take()
        events = [event for camera_id, item in items if (event := self._event(camera_id, item))]
        return _packed(events)

    def _event(self, camera_id: str, item: Item) -> CameraAnswerEvent | None:
        """The event of an item. None if its camera has ended."""
        if camera_id not in self._open:
            return None
        try:
            if isinstance(item, HermesError):
                raise item
            camera = self._cameras[camera_id]
            self._door.check_owned(camera_id, camera.epoch)
            if isinstance(item, str):
                return CameraAnswerEvent(camera_id=camera_id, delta=query_pb2.Delta(text=item))
            event = CameraAnswerEvent(camera_id=camera_id, complete=self._complete(camera, item))
        except Exception as error:
            failed = camera_error(_shown(error, camera_id), redact)
            event = CameraAnswerEvent(camera_id=camera_id, error=failed)
        self._end(camera_id)
        return event

    def _complete(self, camera: _Camera, result: AnswerResult) -> query_pb2.Complete:
        pictures = self._question.evidence.pictures
        return self._door.complete(
            result, camera.tenure, camera.epoch, camera.asked, pictures=pictures, camera=camera.id
        )

    def _end(self, camera_id: str) -> None:
        self._open.discard(camera_id)
        if (camera := self._cameras.pop(camera_id, None)) is not None:
            camera.end()

    def close(self) -> None:
        """Drop the answers that have not ended."""
        for camera_id in list(self._cameras):
            self._end(camera_id)
        self._engine.nudge()


def _shown(error: Exception, camera_id: str) -> HermesError:
    if isinstance(error, HermesError):
        return error
    log.error("camera_failed", camera=camera_id, exc_info=error)
    return HermesError(INTERNAL_MESSAGE)


def _packed(events: Sequence[CameraAnswerEvent]) -> list[WorkerServiceAskManyResponse]:
    """The events in order, in as few messages as their size allows."""
    messages: list[WorkerServiceAskManyResponse] = []
    room = 0
    for event in events:
        size = event.ByteSize()
        if size > room:
            messages.append(WorkerServiceAskManyResponse())
            room = MESSAGE_BYTES
        messages[-1].events.append(event)
        room -= size
    return messages
