"""A question's way through a real gateway, to a worker and back."""

from __future__ import annotations

import asyncio
import sys
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
from services.common import keys
from services.common.leases import Leases
from services.common.placement import Member
from services.query_gateway.gateway import Gateway
from tests.support.fake_worker import (
    HELLO,
    MODEL,
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


async def ask(client: AsyncHermesClient, camera_id: str = "lobby", text: str = "what?") -> str:
    return (await client.ask(camera_id, text, timeout=10).result()).text


async def counted(gateway: Gateway, code: str) -> float:
    """Questions that ended with a code. They are counted right after the client heard of it."""
    deadline = time.monotonic() + 2
    while True:
        registry = gateway.metrics.registry
        value = registry.get_sample_value("hermes_queries_total", {"code": code})
        if value or time.monotonic() > deadline:
            return value or 0.0
        await asyncio.sleep(0.01)


async def test_an_answer_with_all_that_is_known_of_it(
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
    assert 0.03 <= timings.gateway_time_to_first_token_s <= timings.total_s - 0.06
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


async def test_deltas_pass_one_by_one(
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


async def test_a_message_beyond_the_transports_limit(
    client: AsyncHermesClient, worker: FakeWorker, lobby: str
) -> None:
    with pytest.raises(errors.InvalidInput, match="too large"):
        await ask(client, text="x" * 5_000_000)
    assert await ask(client) == "a red car"


async def test_no_question_at_all(gateway: Gateway) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        call = QueryServiceStub(channel).Ask(QueryServiceAskRequest(), timeout=5)  # type: ignore[no-untyped-call]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert details_of(caught.value).field == "question"


async def test_nobody_owns_it_yet(client: AsyncHermesClient, redis_client: redis.Redis) -> None:
    register(redis_client, "lobby")
    with pytest.raises(errors.CameraNotReady) as caught:
        await ask(client)
    assert caught.value.retry_after_s == 1.0
    cause = caught.value.__cause__
    assert isinstance(cause, grpc.aio.AioRpcError)
    assert cause.code() == grpc.StatusCode.UNAVAILABLE


async def test_nobody_has_room_for_it(client: AsyncHermesClient, redis_client: redis.Redis) -> None:
    """One worker is full; one had room, but has not been heard of for a while."""
    register(redis_client, "lobby")
    now_ms = redis_client.time()[0] * 1000
    full = Member("full", "", "cpu", capacity=1, load=1, heartbeat_ms=now_ms)
    dead = Member("dead", "", "cpu", capacity=1, load=0, heartbeat_ms=now_ms - 60_000)
    for member in (full, dead):
        redis_client.hset(keys.members("worker"), member.instance, member.to_json())
    with pytest.raises(errors.Overloaded) as caught:
        await ask(client)
    assert caught.value.retry_after_s > 0


async def test_an_expired_lease_is_nobodys(
    client: AsyncHermesClient, redis_client: redis.Redis, worker: FakeWorker
) -> None:
    register(redis_client, "lobby")
    own(redis_client, "lobby", worker.address, ttl_s=0.05)
    await asyncio.sleep(0.1)
    with pytest.raises(errors.CameraNotReady):
        await ask(client)
    assert worker.calls == []


async def test_this_machines_clock_does_not_matter(
    client: AsyncHermesClient, lobby: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 3600)
    monkeypatch.setattr(time, "time_ns", lambda: int((real() + 3600) * 1e9))
    assert await ask(client) == "a red car"


async def test_a_memory_that_catches_up(
    client: AsyncHermesClient, redis_client: redis.Redis, worker: FakeWorker
) -> None:
    register(redis_client, "lobby")
    own(redis_client, "lobby", worker.address, state="replaying")
    with pytest.raises(errors.CameraNotReady, match="catching up"):
        await ask(client)
    assert worker.calls == []


async def test_a_wrong_owner_is_resolved_again(
    client: AsyncHermesClient, redis_client: redis.Redis, worker: FakeWorker, lobby: str
) -> None:
    """The camera moves between the gateway's reading of the lease and its call."""
    successor = FakeWorker()
    await successor.start()
    former = worker

    class Moves(errors.CameraNotOwned):
        """Moves the camera at the moment the former owner refuses."""

        def __str__(self) -> str:
            redis_client.delete("hermes:{lobby}:lease:worker")
            own(redis_client, "lobby", successor.address, instance="worker-2")
            return "owned by another worker"

    former.scripts = [[Fail(Moves("lobby"))]]
    assert await ask(client) == "a red car"
    assert (len(former.calls), len(successor.calls)) == (1, 1)
    assert successor.calls[0].request.epoch > former.calls[0].request.epoch
    await successor.stop()


async def test_exactly_once(client: AsyncHermesClient, worker: FakeWorker, lobby: str) -> None:
    worker.scripts = [[Fail(errors.CameraNotOwned("lobby"))]]
    with pytest.raises(errors.CameraNotReady):
        await ask(client)
    assert len(worker.calls) == 2


async def test_an_older_lease_than_seen_is_not_followed(
    client: AsyncHermesClient, redis_client: redis.Redis, worker: FakeWorker, lobby: str
) -> None:
    await ask(client)
    redis_client.hincrby("hermes:{lobby}:lease:worker", "epoch", -1)
    with pytest.raises(errors.CameraNotReady):
        await ask(client)
    assert len(worker.calls) == 1


async def test_an_answer_of_a_former_epoch_is_never_complete(
    client: AsyncHermesClient, worker: FakeWorker, lobby: str
) -> None:
    worker.scripts = [[Say("old "), Say("news"), End(epoch=1)]]
    stream = client.ask("lobby", "what?")
    got = []
    with pytest.raises(errors.CameraNotReady):  # noqa: PT012
        async for text in stream:
            got.append(text)
    assert got == ["old ", "news"]
    with pytest.raises(errors.CameraNotReady):
        await stream.result()
    assert len(worker.calls) == 1


async def test_an_owner_that_lost_the_camera_while_answering(
    client: AsyncHermesClient, redis_client: redis.Redis, worker: FakeWorker, lobby: str
) -> None:
    """Another question learns of the new owner while the old one still talks."""
    worker.scripts = [[Say("slow "), Say("answer", 0.3), End()], HELLO]
    slow = client.ask("lobby", "what?")
    assert await anext(slow) == "slow "
    redis_client.hset("hermes:{lobby}:lease:worker", "expires_ms", 0)
    own(redis_client, "lobby", worker.address, instance="worker-2")
    assert await ask(client) == "a red car"
    with pytest.raises(errors.CameraNotReady):
        await slow.result()


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
async def test_a_workers_errors_are_passed_on_whole(
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
async def test_unknown_errors_tell_nothing(
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


async def test_nobody_listens_at_the_owners_address(
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


async def test_a_worker_that_dies_while_it_talks(
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


async def test_a_worker_that_said_all_may_end_its_call(
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
async def test_a_complete_answer_stands_however_the_worker_ends(
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


async def test_without_a_deadline_there_is_one(
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


async def test_a_full_gateway_turns_away(
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


async def test_a_hand_over_can_be_waited_for(
    redis_url: str, redis_client: redis.Redis, worker: FakeWorker
) -> None:
    register(redis_client, "lobby")
    async with (
        running_gateway(redis_url, hand_over_wait_s=5.0) as gateway,
        AsyncHermesClient(f"127.0.0.1:{gateway.port}") as client,
    ):
        asking = asyncio.ensure_future(ask(client))
        await asyncio.sleep(0.3)
        assert not asking.done()
        own(redis_client, "lobby", worker.address)
        assert await asyncio.wait_for(asking, 20) == "a red car"


async def test_a_worker_back_at_its_address_is_found(
    client: AsyncHermesClient, redis_client: redis.Redis, worker: FakeWorker, lobby: str
) -> None:
    assert await ask(client) == "a red car"
    await worker.stop()
    with pytest.raises(errors.Unavailable):
        await ask(client)
    again = FakeWorker()
    await again.start(worker.address)
    deadline = time.monotonic() + 5
    while True:
        try:
            assert await ask(client) == "a red car"
            break
        except errors.Unavailable:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
    await again.stop()


def test_leases_are_read_as_leases_are_written(redis_client: redis.Redis) -> None:
    """Guards the helper that these tests stand on."""
    lease = own(redis_client, "lobby", "host:1")
    owner = Leases(redis_client, "worker", "other", "x").owners(["lobby"])["lobby"]
    assert owner is not None
    assert (owner.address, owner.epoch, owner.state) == ("host:1", lease.epoch, "serving")
