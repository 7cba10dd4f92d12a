"""A question's way through a real gateway, to a worker and back."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import grpc
import grpc.aio
import pytest
import redis

from hermes import errors
from hermes.client import AsyncHermesClient
from hermes.statuses import details_of
from hermes.v1.query_pb2 import FRESHNESS_CACHED, QueryServiceAskRequest, Question
from hermes.v1.query_pb2_grpc import QueryServiceStub
from services.query_gateway.gateway import Gateway
from tests.support.asking import ask, counted
from tests.support.fake_worker import (
    HELLO,
    MODEL,
    End,
    Fail,
    FakeWorker,
    Hang,
    Say,
)
from tests.support.gateway import running_gateway


async def test_an_answer_comes_with_all_its_facts(
    client: AsyncHermesClient, gateway: Gateway, worker: FakeWorker, lobby: str
) -> None:
    worker.scripts = [[Say("a ", 0.03), Say("red ", 0.03), Say("car", 0.03), End()]]
    started = time.monotonic()
    stream = client.ask("lobby", "what?", max_tokens=7, freshness="cached", timeout=10)
    assert [text async for text in stream] == ["a ", "red ", "car"]
    elapsed = time.monotonic() - started
    answer = await stream.result()
    assert (answer.text, answer.finish_reason, answer.model) == ("a red car", "stop", MODEL)
    assert (answer.question_tokens, answer.answer_tokens) == (5, 3)
    timings = answer.timings
    assert timings.warm_time_to_first_token_s == 0.012  # the worker's, untouched
    assert timings.gateway_time_to_first_token_s is not None
    assert timings.total_s is not None
    # Two more words follow, 0.03 s apart; the gateway may see the first of them late.
    assert 0.03 <= timings.gateway_time_to_first_token_s < timings.total_s - 0.03
    assert 0.09 <= timings.total_s <= elapsed
    assert answer.coverage.span is not None
    assert answer.coverage.span.start == datetime.fromtimestamp(1_700_000_000, tz=UTC)

    (seen,) = worker.calls
    assert seen.request.question == Question(
        camera_id="lobby", text="what?", max_tokens=7, freshness=FRESHNESS_CACHED
    )
    assert seen.request.epoch == answer.epoch > 0
    assert await counted(gateway, "OK") == 1
    name, labels = "hermes_time_to_first_token_seconds", {"model": MODEL, "stage": "gateway"}
    registry = gateway.metrics.registry
    assert registry.get_sample_value(f"{name}_count", labels) == 1
    observed = registry.get_sample_value(f"{name}_sum", labels)
    assert observed == pytest.approx(timings.gateway_time_to_first_token_s, abs=1e-6)


async def test_deltas_are_forwarded_one_by_one(
    client: AsyncHermesClient, worker: FakeWorker, lobby: str
) -> None:
    worker.scripts = [[*(Say(f"{n} ", 0.1) for n in range(6)), End()]]
    arrivals = []
    async for _ in client.ask("lobby", "what?"):
        arrivals.append(time.monotonic())
    assert len(arrivals) == 6
    assert arrivals[-1] - arrivals[0] > 0.25  # held back and sent in one go they would come at once


async def test_many_answers_at_once(
    client: AsyncHermesClient, worker: FakeWorker, lobby: str
) -> None:
    worker.scripts = [[Say("x", 0.2), End()]]
    started = time.monotonic()
    assert await asyncio.gather(*(ask(client) for _ in range(32))) == ["x"] * 32
    assert time.monotonic() - started < 6.0  # one after the other: 6.4 s


async def test_unknown_camera(client: AsyncHermesClient) -> None:
    with pytest.raises(errors.CameraNotFound) as caught:
        await ask(client, "nowhere")
    assert caught.value.camera_id == "nowhere"
    cause = caught.value.__cause__
    assert isinstance(cause, grpc.aio.AioRpcError)
    assert cause.code() == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    ("camera_id", "text", "field"),
    [
        ("lobby", "", "question.text"),
        ("lobby", " \n ", "question.text"),
        ("lobby", "why " * 250_000, "question.text"),  # 1 MB
        ("no such id!", "what?", "question.camera_id"),
    ],
    ids=["empty", "blank", "1MB", "bad-id"],
)
async def test_bad_questions(
    client: AsyncHermesClient,
    gateway: Gateway,
    worker: FakeWorker,
    lobby: str,
    camera_id: str,
    text: str,
    field: str,
) -> None:
    with pytest.raises(errors.InvalidInput) as caught:
        await ask(client, camera_id, text)
    assert caught.value.field == field
    assert len(str(caught.value)) < 200
    cause = caught.value.__cause__
    assert isinstance(cause, grpc.aio.AioRpcError)
    assert cause.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert worker.calls == []
    assert await counted(gateway, "INVALID_ARGUMENT") == 1
    assert await ask(client) == "a red car"  # and the rest runs on


async def test_a_message_above_the_transports_limit_is_refused(
    client: AsyncHermesClient, worker: FakeWorker, lobby: str
) -> None:
    with pytest.raises(errors.InvalidInput, match="too large"):
        await ask(client, text="x" * 5_000_000)
    assert await ask(client) == "a red car"


async def test_a_request_without_a_question_is_refused(gateway: Gateway) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        call = QueryServiceStub(channel).Ask(QueryServiceAskRequest(), timeout=5)  # type: ignore[no-untyped-call]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert details_of(caught.value).field == "question"


async def test_a_full_gateway_refuses_questions(
    redis_url: str, redis_client: redis.Redis, worker: FakeWorker, lobby: str
) -> None:
    worker.scripts = [[Say("begun"), Hang()], [Say("begun"), Hang()], HELLO]
    async with (
        running_gateway(redis_url, max_open_questions=2) as gateway,
        AsyncHermesClient(f"127.0.0.1:{gateway.port}") as client,
    ):
        first = client.ask("lobby", "what?")
        await anext(first)
        second = client.ask("lobby", "what?")
        await anext(second)
        with pytest.raises(errors.Overloaded) as caught:
            await ask(client)
        assert caught.value.retry_after_s > 0
        cause = caught.value.__cause__
        assert isinstance(cause, grpc.aio.AioRpcError)
        assert cause.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert len(worker.calls) == 2
        assert await client.list_cameras()  # other calls are not questions
        first.cancel()
        assert await counted(gateway, "CANCELLED") == 1
        assert await ask(client) == "a red car"


async def test_a_lower_limit_of_the_worker_reaches_the_client_with_its_field(
    client: AsyncHermesClient, worker: FakeWorker, lobby: str
) -> None:
    refusal = errors.InvalidInput("question.max_tokens", "is more than the 40 allowed here")
    worker.scripts = [[Fail(refusal)]]
    with pytest.raises(errors.InvalidInput, match="40 allowed") as caught:
        await client.ask("lobby", "what?", max_tokens=100).result()
    assert caught.value.field == "question.max_tokens"
    cause = caught.value.__cause__
    assert isinstance(cause, grpc.aio.AioRpcError)
    assert cause.code() == grpc.StatusCode.INVALID_ARGUMENT
