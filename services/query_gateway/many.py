"""A question to many cameras, from the request to the last event."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing

from hermes.camera_error import camera_error
from hermes.errors import HermesError, InvalidInput
from hermes.v1 import query_pb2 as query
from hermes.v1.query_pb2 import QueryServiceAskManyResponse as Event
from hermes.v1.worker_pb2 import CameraAnswer
from services.common import tracing
from services.common.metrics import Metrics
from services.common.redaction import redact
from services.query_gateway.answer_times import AnswerTimes
from services.query_gateway.asked_cameras import AskedCameras
from services.query_gateway.asked_past import AskedPast
from services.query_gateway.fan_out import FanOut, Write
from services.query_gateway.merging import Merging
from services.query_gateway.questions import QuestionRules
from services.query_gateway.workers import deadline_exceeded

_SENDING_SHARE, _SENDING_MOST_S = 0.1, 0.5
"""Of the time that a call has: left to send the errors of cameras that were too slow."""
_MERGING_SHARE = 0.25
"""Of the time that a call has: left to merge the answers."""


class ManyCameras:
    """Checks the question, asks every camera that is meant, and merges the answers if wanted."""

    def __init__(
        self,
        rules: QuestionRules,
        cameras: AskedCameras,
        fan_out: FanOut,
        merging: Merging,
        metrics: Metrics,
        past: AskedPast,
    ) -> None:
        self._rules = rules
        self._cameras = cameras
        self._fan_out = fan_out
        self._merging = merging
        self._metrics = metrics
        self._past = past

    async def ask(
        self, request: query.QueryServiceAskManyRequest, deadline: float, write: Write
    ) -> None:
        """Write the cameras that are asked, their events, and those of the merged answer.

        Raises `HermesError` only before the first event: later errors are events.
        """
        now = asyncio.get_running_loop().time
        received = now()
        question = self._checked(request)
        ids = await self._cameras.find(request.question.cameras)
        self._past.check(question, len(ids))
        tracing.note(cameras=len(ids), merge=request.merge)
        await write(Event(cameras=query.AskedCameras(camera_ids=ids)))
        left_s = deadline - now()
        deadline -= min(_SENDING_MOST_S, _SENDING_SHARE * left_s)
        asking_until = deadline - (_MERGING_SHARE * left_s if request.merge else 0.0)
        questions = [_about(question, camera_id) for camera_id in ids]
        texts = await self._fan_out.ask(
            questions, received, asking_until, write, joined=request.joined
        )
        if request.merge:
            await self._merge(question, texts, received, deadline, write)

    def _checked(self, request: query.QueryServiceAskManyRequest) -> query.Question:
        """What each camera is asked. It keeps the rules of a question to one camera."""
        if not request.HasField("question"):
            raise InvalidInput("question", "is missing")
        if request.question.camera_id:
            raise InvalidInput(
                "question.camera_id", "is for one camera: name several in question.cameras"
            )
        self._rules.check_content(request.question)
        return request.question

    async def _merge(
        self,
        question: query.Question,
        texts: Mapping[str, str],
        received: float,
        deadline: float,
        write: Write,
    ) -> None:
        times = AnswerTimes(self._metrics, received)
        try:
            async with asyncio.timeout_at(deadline):
                names = await self._cameras.names() if texts else {}
                answers = [
                    CameraAnswer(camera_id=id_, display_name=names.get(id_, ""), text=text)
                    for id_, text in texts.items()
                ]
                merged = self._merging.merge(question, answers, deadline)
                async with aclosing(merged) as events:
                    async for event in events:
                        if event.WhichOneof("event") == "complete":
                            times.close(event.complete)
                            await write(Event(complete=event.complete))
                        else:
                            await write(Event(delta=event.delta))
                            times.passed_on()
        except HermesError as error:
            await write(Event(error=camera_error(error, redact)))
        except TimeoutError:
            await write(Event(error=camera_error(deadline_exceeded(), redact)))


def _about(question: query.Question, camera_id: str) -> query.Question:
    """The same question, to one camera."""
    one = query.Question()
    one.CopyFrom(question)
    one.ClearField("cameras")
    one.camera_id = camera_id
    return one
