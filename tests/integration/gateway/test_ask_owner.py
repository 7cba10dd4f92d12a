"""Which worker a question goes to, and what happens when the owner changes."""

from __future__ import annotations

import asyncio
import time

import grpc
import grpc.aio
import pytest
import redis

from hermes import errors
from hermes.client import AsyncHermesClient
from services.common import keys
from services.common.leases import Leases
from services.common.placement import Member
from tests.support.asking import ask
from tests.support.fake_worker import (
    HELLO,
    End,
    Fail,
    FakeWorker,
    Say,
)
from tests.support.gateway import own, register, running_gateway


async def test_a_camera_without_an_owner_is_not_ready(
    client: AsyncHermesClient, redis_client: redis.Redis
) -> None:
    register(redis_client, "lobby")
    with pytest.raises(errors.CameraNotReady) as caught:
        await ask(client)
    assert caught.value.retry_after_s == 1.0
    cause = caught.value.__cause__
    assert isinstance(cause, grpc.aio.AioRpcError)
    assert cause.code() == grpc.StatusCode.UNAVAILABLE


async def test_a_camera_without_room_is_overloaded(
    client: AsyncHermesClient, redis_client: redis.Redis
) -> None:
    """One worker is full; another had room, but has sent no heartbeat for a while."""
    register(redis_client, "lobby")
    now_ms = redis_client.time()[0] * 1000
    full = Member("full", "", "cpu", capacity=1, load=1, heartbeat_ms=now_ms)
    dead = Member("dead", "", "cpu", capacity=1, load=0, heartbeat_ms=now_ms - 60_000)
    for member in (full, dead):
        redis_client.hset(keys.members("worker"), member.instance, member.to_json())
    with pytest.raises(errors.Overloaded) as caught:
        await ask(client)
    assert caught.value.retry_after_s > 0


async def test_an_expired_lease_has_no_owner(
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


async def test_a_memory_that_still_catches_up_is_not_asked(
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


async def test_a_wrong_owner_is_resolved_again_exactly_once(
    client: AsyncHermesClient, worker: FakeWorker, lobby: str
) -> None:
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


async def test_an_answer_of_a_former_epoch_never_completes(
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
    """Tests the helper that these tests use."""
    lease = own(redis_client, "lobby", "host:1")
    owner = Leases(redis_client, "worker", "other", "x").owners(["lobby"])["lobby"]
    assert owner is not None
    assert (owner.address, owner.epoch, owner.state) == ("host:1", lease.epoch, "serving")
