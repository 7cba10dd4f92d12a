"""One answer made of several cameras' answers, by any worker that has room."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, Protocol, cast

import grpc
import grpc.aio
import redis.asyncio

from hermes.errors import (
    CameraNotReady,
    HermesError,
    NothingToMerge,
    Overloaded,
    Unavailable,
    Unsupported,
)
from hermes.statuses import typed_error
from hermes.v1.query_pb2 import Question
from hermes.v1.worker_pb2 import (
    CameraAnswer,
    WorkerServiceMergeRequest,
    WorkerServiceMergeResponse,
)
from hermes.v1.worker_pb2_grpc import WorkerServiceStub
from services.common import keys, logs
from services.common.placement import ALIVE_S, Member, parse_members
from services.common.rpc import INTERNAL_MESSAGE
from services.query_gateway.channels import ChannelPool
from services.query_gateway.open_questions import OpenQuestions
from services.query_gateway.outgoing import outgoing
from services.query_gateway.redis_link import reaching_redis
from services.query_gateway.workers import deadline_exceeded

log = logs.get(__name__)

RETRY_AFTER_S = 1.0
MOST_TRIES = 3
"""Workers that are tried one after another."""


class Members(Protocol):
    """Knows the workers that are alive."""

    async def workers(self) -> list[Member]:
        """Raises `Unavailable`."""
        ...


class RedisMembers:
    """The workers that announce themselves in Redis."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._redis = client

    async def workers(self) -> list[Member]:
        """Raises `Unavailable`."""
        async with reaching_redis(), self._redis.pipeline(transaction=False) as pipeline:
            pipeline.hgetall(keys.members("worker"))
            pipeline.time()
            members, (seconds, micros) = await pipeline.execute()
        return parse_members(members, seconds * 1000 + micros // 1000, int(ALIVE_S * 1000))


class Merging:
    """Has a worker write one answer: the one with the most free places first."""

    def __init__(
        self, members: Members, channels: ChannelPool, open_questions: OpenQuestions
    ) -> None:
        self._members = members
        self._channels = channels
        self._open_questions = open_questions

    async def merge(
        self, question: Question, answers: Sequence[CameraAnswer], deadline: float
    ) -> AsyncGenerator[WorkerServiceMergeResponse, None]:
        """Yield deltas and then one complete event. Counts as an open question.

        `deadline`: a time of the running loop's clock. Raises `HermesError`.
        """
        if not answers:
            raise NothingToMerge("no camera answered, so there is nothing to merge")
        asked = Question(
            text=question.text,
            max_tokens=question.max_tokens,
            turns=question.turns,
            decoding=question.decoding if question.HasField("decoding") else None,
        )
        request = WorkerServiceMergeRequest(question=asked, answers=answers)
        with self._open_questions.enter():
            async with aclosing(self._try_each(request, deadline)) as events:
                async for event in events:
                    yield event

    async def _try_each(
        self, request: WorkerServiceMergeRequest, deadline: float
    ) -> AsyncGenerator[WorkerServiceMergeResponse, None]:
        workers = [one for one in await self._members.workers() if not one.draining]
        workers.sort(key=lambda one: one.load / max(1, one.capacity))
        error: HermesError = Unavailable(
            "no worker is running that could merge the answers", RETRY_AFTER_S
        )
        for worker in workers[:MOST_TRIES]:
            started = False
            try:
                async with aclosing(self._ask(worker.address, request, deadline)) as events:
                    async for event in events:
                        started = True
                        yield event
                return
            except (Overloaded, Unavailable, CameraNotReady, Unsupported) as failed:
                if started:
                    raise
                error = failed
        raise error

    async def _ask(
        self, address: str, request: WorkerServiceMergeRequest, deadline: float
    ) -> AsyncGenerator[WorkerServiceMergeResponse, None]:
        left_s = deadline - asyncio.get_running_loop().time()
        if left_s <= 0:
            raise deadline_exceeded()
        async with self._channels.use(address) as channel:
            merge = cast(Any, WorkerServiceStub)(channel).Merge
            call = merge(request, timeout=left_s, metadata=outgoing())
            complete = False
            try:
                while (event := await call.read()) is not grpc.aio.EOF:
                    complete = complete or event.WhichOneof("event") == "complete"
                    yield event
            except grpc.aio.AioRpcError as status:
                raise _error_of(status, address) from status
            finally:
                call.cancel()
        if not complete:
            log.error("merged_answer_without_end", worker=address)
            raise HermesError(INTERNAL_MESSAGE)


def _error_of(status: grpc.aio.AioRpcError, address: str) -> HermesError:
    """As for a camera's answer: what is not ours goes to the log."""
    typed = typed_error(status)
    if typed is not None and type(typed) is not HermesError:
        return typed
    code = status.code()
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
        return Unavailable("the worker that merged the answers went away", RETRY_AFTER_S)
    if code == grpc.StatusCode.DEADLINE_EXCEEDED:
        return deadline_exceeded()
    if code == grpc.StatusCode.RESOURCE_EXHAUSTED:
        return Overloaded("no worker has room to merge the answers now", RETRY_AFTER_S)
    if code == grpc.StatusCode.UNIMPLEMENTED:
        return Unsupported("the workers are older than the gateway: update them to merge answers")
    log.error("merging_failed", worker=address, code=code.name, error=status.details() or "")
    return HermesError(INTERNAL_MESSAGE)
