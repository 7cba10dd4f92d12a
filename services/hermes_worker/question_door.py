"""What every question passes on its way to a camera's memory, and its answer on the way back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import redis

from hermes.engine import AnswerResult
from hermes.errors import CameraNotOwned, CameraNotReady, Unavailable
from hermes.question import Question
from hermes.question_message import all_known, question_of
from hermes.v1 import query_pb2
from services.common import tracing
from services.common.frame_log import BEGINNING, FrameLog, LogId
from services.common.metrics import Metrics
from services.hermes_worker.convert import complete_message
from services.hermes_worker.evidence_pictures import pictures_of
from services.hermes_worker.log_position import LogPosition
from services.hermes_worker.tenure import CATCH_UP_S, Tenure, cursor_of
from services.hermes_worker.tenures import Tenures

OLDER_S = 1.0
"""When to ask a worker again that is about to be updated."""


class QuestionDoor:
    """Checks who owns a camera and whether it can answer, and describes finished answers."""

    def __init__(
        self,
        model: str,
        tenures: Tenures,
        epoch_of: Callable[[str], int | None],
        frame_log: FrameLog,
        metrics: Metrics,
    ) -> None:
        """`epoch_of`: the epoch under which a camera is ours at this moment, or None."""
        self.model = model
        self._tenures = tenures
        self._epoch_of = epoch_of
        self._log = frame_log
        self._metrics = metrics

    def owned_epoch(self, camera_id: str, at_least: int) -> int:
        """The epoch under which the camera is ours. Raises `CameraNotOwned`."""
        epoch = self._epoch_of(camera_id)
        if epoch is None or epoch < at_least:
            raise CameraNotOwned(camera_id)
        return epoch

    def check_owned(self, camera_id: str, epoch: int) -> None:
        """Raises `CameraNotOwned` unless the camera is still ours, under the same epoch."""
        if self._epoch_of(camera_id) != epoch:
            raise CameraNotOwned(camera_id)

    def tenure(self, camera_id: str) -> Tenure:
        """The camera's tenure. Raises `CameraNotReady`."""
        tenure = self._tenures.get(camera_id)
        if tenure is None:  # it is about to be given up
            raise CameraNotReady(f"the memory of {camera_id!r} is not ready", CATCH_UP_S)
        return tenure

    def check_seen(self, tenure: Tenure, target: LogId = BEGINNING) -> None:
        """Refuse to make up an answer about a camera without a single frame."""
        report = tenure.handle.report()
        if not report.coverage.frames and target <= cursor_of(report):
            raise CameraNotReady(
                f"no frame of camera {tenure.camera.id!r} has been seen yet; its status says why",
                CATCH_UP_S,
            )

    def wanted(self, question: query_pb2.Question, received_ms: int) -> Question:
        """What is asked. Raises `InvalidInput`, and `Unavailable` if this worker is older than
        the gateway and does not know all of it: a later one will.
        """
        if not all_known(question):
            raise Unavailable(
                "this worker is older than the gateway and does not know all of what is asked;"
                " ask again once it is updated",
                OLDER_S,
            )
        return question_of(question, received_ms)

    async def targets(
        self, camera_ids: Sequence[str], question: query_pb2.Question
    ) -> Mapping[str, LogId]:
        """The log entry that each camera's memory must hold first; empty for cached answers.

        Raises `Unavailable`.
        """
        if question.freshness == query_pb2.FRESHNESS_CACHED:
            return {}
        try:
            return await asyncio.to_thread(self._log.last_ids, camera_ids)
        except redis.RedisError as error:
            raise Unavailable("the frame log is out of reach; ask for CACHED, or again") from error

    def complete(
        self,
        result: AnswerResult,
        tenure: Tenure,
        epoch: int,
        asked: float,
        *,
        pictures: bool,
        **facts: str,
    ) -> query_pb2.Complete:
        """The last message of an answer, which is also measured and traced.

        `asked`: when the engine was asked (Unix time, s). `pictures`: with those of its evidence.
        `facts`: what is traced beside its times.
        """
        found = pictures_of(result.evidence if pictures else None, tenure.pictures)
        message = complete_message(result, epoch, self.model, found)
        self._observe(result)
        _trace(result, asked, facts)
        return message

    def _observe(self, result: AnswerResult) -> None:
        model, metrics = self.model, self._metrics
        seen = tracing.exemplar()
        metrics.time_to_first_token.labels(model, "warm").observe(result.warm_ttft_s, seen)
        metrics.time_to_first_token.labels(model, "fresh").observe(result.fresh_ttft_s, seen)
        metrics.query_queue.labels(model).observe(result.queue_s)
        total = result.fresh_ttft_s + sum(result.inter_token_s)
        metrics.query_duration.labels(model).observe(total, seen)
        for interval in result.inter_token_s:
            metrics.inter_token_latency.labels(model).observe(interval)


async def prepare(tenure: Tenure, question: Question) -> None:
    """Compile what the answer must look like, which would hold up the event loop."""
    if question.form is not None:
        await asyncio.to_thread(tenure.handle.prepare, question.form)


def ready_at(target: LogId | None) -> Callable[[str], bool] | None:
    """The condition on a memory's cursor: it holds everything up to `target`. None without one."""
    if target is None:
        return None
    return lambda cursor: LogPosition.parse(cursor).id >= target


def _trace(result: AnswerResult, asked: float, facts: Mapping[str, str]) -> None:
    """Trace how the answer spent its time."""
    first_token = asked + result.fresh_ttft_s
    ready = first_token - result.warm_ttft_s
    begun = ready + result.queue_s
    tracing.part("frames", asked, ready, **facts)
    tracing.part("queue", ready, begun, **facts)
    tokens = result.question_tokens
    tracing.part("prefill", begun, first_token, question_tokens=tokens, **facts)
    last_token = first_token + sum(result.inter_token_s)
    tracing.part("decode", first_token, last_token, answer_tokens=result.answer_tokens, **facts)
