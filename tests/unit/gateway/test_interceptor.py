"""The interceptor of every call, and the deadline of every question: without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import grpc
import pytest

from hermes.errors import DeadlineExceeded
from hermes.v1.query_pb2 import QueryServiceAskRequest, Question
from services.common.metrics import Metrics
from services.common.rpc import ErrorInterceptor, OpenCalls
from services.query_gateway.asked_past import AskedPast
from services.query_gateway.open_questions import OpenQuestions
from services.query_gateway.questions import QuestionRules
from services.query_gateway.servicers import QueryServicer


class BlockedContext:
    """A client that reads nothing, and set no deadline."""

    def __init__(self) -> None:
        self.writing = asyncio.Event()

    async def write(self, message: object) -> None:
        self.writing.set()
        await asyncio.Event().wait()

    def time_remaining(self) -> None:
        return None


async def wrapped(handler: Any, method: str, interceptor: ErrorInterceptor) -> Any:
    async def continuation(details: object) -> Any:
        return handler

    details: Any = SimpleNamespace(method=method)
    return await interceptor.intercept_service(continuation, details)


async def test_a_generator_is_closed_before_its_call_ends() -> None:
    """Also when the cancellation finds the call writing, and not inside the generator."""
    events: list[object] = []

    async def generate(request: object, context: object) -> AsyncIterator[str]:
        try:
            yield "word"
        finally:
            events.append("closed")

    calls = OpenCalls()
    interceptor = ErrorInterceptor(calls, lambda method, code: events.append(code))
    handler = await wrapped(grpc.unary_stream_rpc_method_handler(generate), "/a.B/C", interceptor)
    context = BlockedContext()
    task = asyncio.ensure_future(handler.unary_stream("request", context))
    await context.writing.wait()
    assert calls.count == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert events == ["closed", grpc.StatusCode.CANCELLED]
    assert calls.count == 0


async def test_grpcs_own_services_are_not_wrapped() -> None:
    interceptor = ErrorInterceptor(OpenCalls())
    handler: Any = grpc.unary_unary_rpc_method_handler(lambda request, context: request)
    assert await wrapped(handler, "/grpc.health.v1.Health/Check", interceptor) is handler
    assert await wrapped(handler, "/hermes.v1.QueryService/Ask", interceptor) is not handler
    assert await wrapped(None, "/hermes.v1.QueryService/Nope", interceptor) is None


async def test_open_calls_are_waited_for() -> None:
    calls = OpenCalls()
    await asyncio.wait_for(calls.wait_for_none(), 1)
    calls.opened()
    calls.opened()
    waiting = asyncio.ensure_future(calls.wait_for_none())
    calls.closed()
    await asyncio.sleep(0)
    assert not waiting.done()
    calls.closed()
    await asyncio.wait_for(waiting, 1)


async def test_a_client_that_does_not_read_meets_the_default_deadline() -> None:
    closed = asyncio.Event()

    class OneWord:
        async def ask(self, question: Question, deadline: float) -> AsyncIterator[Any]:
            try:
                yield SimpleNamespace(WhichOneof=lambda name: "delta", delta=None)
            finally:
                closed.set()

    open_questions = OpenQuestions(1)
    servicer = QueryServicer(
        cast(Any, OneWord()),
        QuestionRules(100, 100),
        open_questions,
        cast(Any, None),  # no question is to many cameras
        Metrics(),
        default_deadline_s=0.05,
        past=AskedPast(),
    )
    request = QueryServiceAskRequest(question=Question(camera_id="lobby", text="what?"))
    with pytest.raises(DeadlineExceeded):
        await asyncio.wait_for(servicer.Ask(request, BlockedContext()), 2)
    assert closed.is_set()
    assert open_questions.count == 0


async def test_a_write_to_a_client_that_is_gone_is_not_logged_as_a_failure() -> None:
    """The write may fail before the cancellation arrives; gRPC itself knows what to do with it."""
    ended: list[grpc.StatusCode] = []

    class GoneContext:
        async def write(self, message: object) -> None:
            raise grpc.aio.InternalError("the batch failed")

    async def generate(request: object, context: object) -> AsyncIterator[str]:
        yield "word"

    interceptor = ErrorInterceptor(OpenCalls(), lambda method, code: ended.append(code))
    handler = await wrapped(grpc.unary_stream_rpc_method_handler(generate), "/a.B/C", interceptor)
    with pytest.raises(grpc.aio.InternalError):
        await handler.unary_stream("request", GoneContext())
    assert ended == [grpc.StatusCode.CANCELLED]
