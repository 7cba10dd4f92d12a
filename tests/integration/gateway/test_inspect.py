"""A look's way through a real gateway, to a worker and back: the way that questions take."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import grpc
import grpc.aio
import pytest
import redis

from hermes import errors
from hermes.client import AsyncHermesClient, HermesClient
from hermes.contents import HeldFrame, LayerContents
from hermes.v1.worker_pb2 import WorkerServiceInspectRequest
from services.query_gateway.gateway import Gateway
from tests.support.fake_worker import CONTENTS, Abort, Crash, Fail, FakeWorker, Hang, Say, Show
from tests.support.gateway import own, register, running_gateway


async def test_what_the_worker_holds_is_what_the_client_sees(
    client: AsyncHermesClient, gateway: Gateway, worker: FakeWorker, lobby: str
) -> None:
    contents = await client.inspect("lobby")
    (seen,) = worker.inspections
    assert seen.request == WorkerServiceInspectRequest(camera_id="lobby", epoch=contents.epoch)
    assert contents.epoch > 0
    assert contents == replace(CONTENTS, epoch=contents.epoch)
    with HermesClient(f"127.0.0.1:{gateway.port}") as blocking:
        assert await asyncio.to_thread(blocking.inspect, "lobby") == contents


async def test_a_large_memory_comes_through(
    client: AsyncHermesClient, worker: FakeWorker, lobby: str
) -> None:
    """Every one of 6,000 tokens in each of 28 layers is of another frame."""
    numbers = range(28 * 6_000)
    layers = tuple(
        LayerContents(
            layer, "long_term", tuple(HeldFrame(number, 1, 1) for number in numbers[layer::28])
        )
        for layer in range(28)
    )
    times = {number: 1_700_000_000_000 + 2_000 * number for number in numbers}
    worker.looks = [Show(replace(CONTENTS, layers=layers, times=times))]
    contents = await client.inspect("lobby")
    assert (contents.layers, contents.times) == (layers, times)


@pytest.mark.parametrize(
    ("camera_id", "error"),
    [("nowhere", errors.CameraNotFound), ("no such id!", errors.InvalidInput)],
)
async def test_no_such_camera(
    client: AsyncHermesClient, camera_id: str, error: type[errors.HermesError]
) -> None:
    with pytest.raises(error):
        await client.inspect(camera_id)


async def test_a_memory_that_still_catches_up_is_not_asked(
    client: AsyncHermesClient, redis_client: redis.Redis, worker: FakeWorker
) -> None:
    register(redis_client, "lobby")
    with pytest.raises(errors.CameraNotReady):
        await client.inspect("lobby")
    own(redis_client, "lobby", worker.address, state="replaying")
    with pytest.raises(errors.CameraNotReady, match="catching up"):
        await client.inspect("lobby")
    assert worker.inspections == []


async def test_a_wrong_owner_is_resolved_again(
    client: AsyncHermesClient, redis_client: redis.Redis, worker: FakeWorker, lobby: str
) -> None:
    successor = FakeWorker()
    await successor.start()

    class Moves(errors.CameraNotOwned):
        """Moves the camera at the moment the former owner refuses."""

        def __str__(self) -> str:
            redis_client.delete("hermes:{lobby}:lease:worker")
            own(redis_client, "lobby", successor.address, instance="worker-2")
            return "owned by another worker"

    worker.looks = [Fail(Moves("lobby"))]
    contents = await client.inspect("lobby")
    assert (len(worker.inspections), len(successor.inspections)) == (1, 1)
    assert contents.epoch > worker.inspections[0].request.epoch
    await successor.stop()


async def test_a_wrong_owner_is_resolved_again_exactly_once(
    client: AsyncHermesClient, worker: FakeWorker, lobby: str
) -> None:
    worker.looks = [Fail(errors.CameraNotOwned("lobby"))]
    with pytest.raises(errors.CameraNotReady, match="changing hands"):
        await client.inspect("lobby")
    assert len(worker.inspections) == 2


async def test_epochs_never_go_back(
    client: AsyncHermesClient, redis_client: redis.Redis, worker: FakeWorker, lobby: str
) -> None:
    """Epochs of workers and of leases, for inspections and for questions."""
    newest = (await client.inspect("lobby")).epoch
    worker.looks = [Show(epoch=newest - 1)]
    with pytest.raises(errors.CameraNotReady):
        await client.inspect("lobby")
    redis_client.hincrby("hermes:{lobby}:lease:worker", "epoch", -1)
    with pytest.raises(errors.CameraNotReady):
        await client.inspect("lobby")
    with pytest.raises(errors.CameraNotReady):
        await client.ask("lobby", "what?").result()
    assert (len(worker.inspections), worker.calls) == (2, [])


@pytest.mark.parametrize(
    "error",
    [
        errors.CameraNotReady("the memory of 'lobby' is catching up", 2.5),
        errors.Unavailable("the worker is shutting down", 1.5),
        errors.Unsupported("the memory of 'lobby' is too large for one message"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_workers_errors_reach_the_client_unchanged(
    client: AsyncHermesClient, worker: FakeWorker, lobby: str, error: errors.HermesError
) -> None:
    worker.looks = [Fail(error)]
    with pytest.raises(type(error)) as caught:
        await client.inspect("lobby")
    assert str(caught.value) == str(error)
    assert vars(caught.value) == vars(error)


@pytest.mark.parametrize(
    "fault",
    [Crash("secret at /srv/x"), Abort(grpc.StatusCode.DATA_LOSS, "secret at 10.0.0.9")],
    ids=["crash", "bare-status"],
)
async def test_unknown_errors_reveal_nothing(
    client: AsyncHermesClient, worker: FakeWorker, lobby: str, fault: Crash | Abort
) -> None:
    worker.looks = [fault]
    with pytest.raises(errors.HermesError) as caught:
        await client.inspect("lobby")
    assert type(caught.value) is errors.HermesError
    assert "secret" not in f"{caught.value} {caught.value.__cause__}"


async def test_a_worker_of_an_older_version(
    client: AsyncHermesClient, worker: FakeWorker, lobby: str
) -> None:
    worker.looks = [Abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")]
    with pytest.raises(errors.Unsupported, match="older than the gateway"):
        await client.inspect("lobby")


async def test_an_owner_that_does_not_listen_is_unavailable(
    client: AsyncHermesClient, redis_client: redis.Redis
) -> None:
    register(redis_client, "lobby")
    own(redis_client, "lobby", "127.0.0.1:9")
    with pytest.raises(errors.Unavailable) as caught:
        await client.inspect("lobby")
    assert "127.0.0.1:9" not in str(caught.value)


async def test_the_deadline_reaches_the_worker(
    gateway: Gateway, worker: FakeWorker, lobby: str
) -> None:
    worker.looks = [Hang()]
    started = time.monotonic()
    async with AsyncHermesClient(f"127.0.0.1:{gateway.port}", timeout=1.5) as client:
        with pytest.raises(errors.DeadlineExceeded):
            await client.inspect("lobby")
    assert 1.4 < time.monotonic() - started < 5
    (seen,) = worker.inspections
    assert seen.time_remaining_s is not None
    assert 0 < seen.time_remaining_s <= 1.51
    await asyncio.wait_for(seen.ended.wait(), 10)


async def test_a_client_that_leaves_ends_the_call(
    client: AsyncHermesClient, worker: FakeWorker, lobby: str
) -> None:
    worker.looks = [Hang()]
    looking = asyncio.ensure_future(client.inspect("lobby"))
    while not worker.inspections:
        await asyncio.sleep(0.01)
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    await asyncio.wait_for(worker.inspections[0].ended.wait(), 2)
    assert worker.inspections[0].cancelled_at is not None


async def test_a_full_gateway_refuses_questions(
    redis_url: str, redis_client: redis.Redis, worker: FakeWorker, lobby: str
) -> None:
    worker.scripts = [[Say("begun"), Hang()]]
    async with (
        running_gateway(redis_url, max_open_questions=1) as gateway,
        AsyncHermesClient(f"127.0.0.1:{gateway.port}") as client,
    ):
        question = client.ask("lobby", "what?")
        await anext(question)
        with pytest.raises(errors.Overloaded):
            await client.inspect("lobby")
        question.cancel()
    assert worker.inspections == []


async def test_a_hand_over_can_be_waited_for(
    redis_url: str, redis_client: redis.Redis, worker: FakeWorker
) -> None:
    register(redis_client, "lobby")
    async with (
        running_gateway(redis_url, hand_over_wait_s=5.0) as gateway,
        AsyncHermesClient(f"127.0.0.1:{gateway.port}") as client,
    ):
        looking = asyncio.ensure_future(client.inspect("lobby"))
        await asyncio.sleep(0.3)
        assert not looking.done()
        own(redis_client, "lobby", worker.address)
        assert (await asyncio.wait_for(looking, 20)).frames_seen == CONTENTS.frames_seen
