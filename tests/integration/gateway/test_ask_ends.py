"""How an answer may end: whole, broken off, cancelled, too late."""

from __future__ import annotations

import asyncio
import sys
import time

import grpc
import grpc.aio
import pytest
import redis

from hermes import errors
from hermes.client import AsyncHermesClient
from services.query_gateway.gateway import Gateway
from tests.support.asking import ask, counted
from tests.support.fake_worker import (
    Abort,
    Crash,
    End,
    Fail,
    FakeWorker,
    Fault,
    Hang,
    Rest,
    Say,
)
from tests.support.gateway import own, register, running_gateway


@pytest.mark.parametrize(
    "error",
    [
        errors.CameraNotReady("the memory of 'lobby' is catching up", 2.5),
        errors.Unavailable("the frame log cannot be reached", 1.5),
        errors.Overloaded("the device is busy", 3.5),
        errors.InvalidInput("question.text", "has more than 512 tokens"),
        errors.DeadlineExceeded("too late"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_workers_errors_reach_the_client_unchanged(
    client: AsyncHermesClient, worker: FakeWorker, lobby: str, error: errors.HermesError
) -> None:
    worker.scripts = [[Fail(error)]]
    with pytest.raises(type(error)) as caught:
        await ask(client)
    assert str(caught.value) == str(error)
    assert vars(caught.value) == vars(error)
    assert len(worker.calls) == 1


@pytest.mark.parametrize(
    "step",
    [
        Crash("secret at /srv/x"),
        Abort(grpc.StatusCode.DATA_LOSS, "secret at 10.0.0.9"),
        Fail(errors.HermesError("secret")),
    ],
    ids=["crash", "bare-status", "untyped"],
)
async def test_unknown_errors_reveal_nothing(
    client: AsyncHermesClient, worker: FakeWorker, lobby: str, step: Crash | Abort | Fail
) -> None:
    worker.scripts = [[Say("so far "), step]]
    with pytest.raises(errors.HermesError) as caught:
        await ask(client)
    assert type(caught.value) is errors.HermesError
    cause = caught.value.__cause__
    assert isinstance(cause, grpc.aio.AioRpcError)
    assert cause.code() == grpc.StatusCode.INTERNAL
    assert "secret" not in f"{caught.value} {cause}"


async def test_an_owner_that_does_not_listen_is_unavailable(
    client: AsyncHermesClient, redis_client: redis.Redis
) -> None:
    register(redis_client, "lobby")
    own(redis_client, "lobby", "127.0.0.1:9")
    started = time.monotonic()
    with pytest.raises(errors.Unavailable) as caught:
        await ask(client)
    assert caught.value.retry_after_s > 0
    assert "127.0.0.1:9" not in str(caught.value)
    assert time.monotonic() - started < 8


async def test_a_worker_that_dies_during_an_answer(
    client: AsyncHermesClient, redis_client: redis.Redis
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.fake_worker", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        address = (await process.stdout.readline()).decode().strip()
        register(redis_client, "lobby")
        own(redis_client, "lobby", address)
        stream = client.ask("lobby", "what?")
        assert await anext(stream) == "word "
    finally:
        process.kill()
    killed = time.monotonic()
    with pytest.raises(errors.Unavailable):
        await stream.result()
    assert time.monotonic() - killed < 5
    await process.wait()


async def test_a_worker_that_ends_the_stream_early(
    client: AsyncHermesClient, worker: FakeWorker, lobby: str
) -> None:
    worker.scripts = [[Say("half")]]
    with pytest.raises(errors.HermesError, match="internal error"):
        await ask(client)


async def test_a_worker_that_cancels(
    client: AsyncHermesClient, worker: FakeWorker, lobby: str
) -> None:
    """A bare CANCELLED from the worker must not look like the client's own."""
    worker.scripts = [[Say("half"), Abort(grpc.StatusCode.CANCELLED)]]
    with pytest.raises(errors.Unavailable):
        await asyncio.wait_for(ask(client), 2)


async def test_a_worker_may_end_its_call_after_a_complete_answer(
    client: AsyncHermesClient, worker: FakeWorker, lobby: str
) -> None:
    """Cancelled, an answer counts as broken off at the worker."""
    worker.scripts = [[Say("all"), End(), Rest(0.5)]]
    assert await ask(client) == "all"
    (seen,) = worker.calls
    await asyncio.wait_for(seen.ended.wait(), 10)
    assert seen.cancelled_at is None


@pytest.mark.parametrize(
    "last", [Crash("late"), Abort(grpc.StatusCode.UNAVAILABLE), Hang()], ids=str
)
async def test_a_complete_answer_stands_for_any_end_of_the_call(
    client: AsyncHermesClient, gateway: Gateway, worker: FakeWorker, lobby: str, last: Fault
) -> None:
    worker.scripts = [[Say("all"), End(), last]]
    assert await asyncio.wait_for(ask(client), 5) == "all"
    assert await counted(gateway, "OK") == 1


async def test_cancelling_stops_the_worker_at_once(
    client: AsyncHermesClient, gateway: Gateway, worker: FakeWorker, lobby: str
) -> None:
    worker.scripts = [[Say("begun"), Hang()]]
    stream = client.ask("lobby", "what?")
    assert await anext(stream) == "begun"
    cancelled = time.monotonic()
    stream.cancel()
    (seen,) = worker.calls
    await asyncio.wait_for(seen.ended.wait(), 10)
    assert seen.cancelled_at is not None
    assert seen.cancelled_at - cancelled < 2
    assert [text async for text in stream] == []
    assert await counted(gateway, "CANCELLED") == 1


async def test_cancelling_before_the_first_word(
    client: AsyncHermesClient, worker: FakeWorker, lobby: str
) -> None:
    worker.scripts = [[Hang()]]
    reading = asyncio.ensure_future(client.ask("lobby", "what?").result())
    while not worker.calls:
        await asyncio.sleep(0.01)
    reading.cancel()
    cancelled = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await asyncio.wait_for(worker.calls[0].ended.wait(), 2)
    assert (worker.calls[0].cancelled_at or 0) - cancelled < 2


async def test_the_deadline_reaches_the_worker(
    client: AsyncHermesClient, gateway: Gateway, worker: FakeWorker, lobby: str
) -> None:
    worker.scripts = [[Say("begun"), Hang()]]
    started = time.monotonic()
    with pytest.raises(errors.DeadlineExceeded) as caught:
        await client.ask("lobby", "what?", timeout=1.5).result()
    assert 1.4 < time.monotonic() - started < 5
    cause = caught.value.__cause__
    assert isinstance(cause, grpc.aio.AioRpcError)
    assert cause.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    (seen,) = worker.calls
    assert seen.time_remaining_s is not None
    assert 0 < seen.time_remaining_s <= 1.51
    await asyncio.wait_for(seen.ended.wait(), 10)
    assert await counted(gateway, "DEADLINE_EXCEEDED") == 1


async def test_a_call_without_a_deadline_gets_the_default(
    redis_url: str, redis_client: redis.Redis, worker: FakeWorker, lobby: str
) -> None:
    worker.scripts = [[Say("begun"), Hang()]]
    async with (
        running_gateway(redis_url, default_deadline_s=1.0) as gateway,
        AsyncHermesClient(f"127.0.0.1:{gateway.port}") as client,
    ):
        started = time.monotonic()
        with pytest.raises(errors.DeadlineExceeded):
            await client.ask("lobby", "what?", timeout=None).result()
        assert 0.9 < time.monotonic() - started < 5
        assert await counted(gateway, "DEADLINE_EXCEEDED") == 1
    await asyncio.wait_for(worker.calls[0].ended.wait(), 10)
