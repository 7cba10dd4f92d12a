"""A real worker on a real Redis, asked over real gRPC."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
import redis

from hermes.contents_message import contents_of
from hermes.engine import CameraHandle
from hermes.errors import (
    CameraNotOwned,
    CameraNotReady,
    HermesError,
    InvalidInput,
    NothingToMerge,
    Unsupported,
)
from hermes.statuses import error_of
from hermes.v1 import query_pb2, worker_pb2
from hermes.v1.worker_pb2_grpc import WorkerServiceStub
from services.common import camera_status, keys
from services.common.grpc_server import GrpcServer
from services.hermes_worker.settings import WorkerSettings
from services.hermes_worker.worker import Worker
from tests.support import tiny
from tests.support.holder import remove
from tests.support.workers import (
    Feeder,
    answer,
    asked,
    memory_state,
    refused,
    until,
)


@pytest.fixture
async def worker(redis_url: str, redis_client: redis.Redis) -> AsyncIterator[Worker]:
    settings = WorkerSettings(
        redis_url=redis_url,
        listen="127.0.0.1:0",
        metrics_host="127.0.0.1",
        model=str(tiny.folder()),
        device="cpu",
        threads=1,
        budget_tokens=160,
        compress_every_frames=4,
        ingest="full",  # test_taking_changes.py has the other one
        max_cameras=4,
        max_answer_tokens=4000,
        drain_s=2.0,
    )
    made = Worker(settings)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def stub(worker: Worker) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{worker.port}") as channel:
        yield WorkerServiceStub(channel)  # type: ignore[no-untyped-call]


async def read_all(call: Any) -> None:
    async for _ in call:
        pass


async def test_an_answer_has_seen_every_frame_in_the_log(
    worker: Worker, stub: Any, redis_client: redis.Redis
) -> None:
    feeder = Feeder(redis_client, "lobby")
    feeder.push(3)
    await until(lambda: memory_state(redis_client, "lobby") == "serving")
    for seen in (5, 9, 12):
        while feeder.index < seen:
            feeder.push()
        texts, complete = await answer(stub, asked("lobby", max_tokens=6))
        assert complete.coverage.frames_seen == seen
        assert complete.answer_tokens == 6
        assert complete.question_tokens > 0
        assert texts
        assert complete.epoch > 0
        timings = complete.timings
        warm = timings.warm_time_to_first_token.ToNanoseconds()
        assert 0 < warm <= timings.fresh_time_to_first_token.ToNanoseconds()


async def test_status_and_metrics_are_published(
    worker: Worker, stub: Any, redis_client: redis.Redis
) -> None:
    feeder = Feeder(redis_client, "lobby")
    last = feeder.push(4)
    await until(lambda: memory_state(redis_client, "lobby") == "serving")
    await answer(stub, asked("lobby", max_tokens=3))
    status = keys.status("lobby")
    await until(lambda: redis_client.hget(status, camera_status.MEMORY_ID) == last.encode())
    _, memory = camera_status.parse(redis_client.hgetall(status))  # type: ignore[arg-type]
    assert (memory.frames, memory.tokens) == (4, 4 * 16)
    assert memory.bytes == 4 * 16 * tiny.model().shape.bytes_per_token
    url = f"http://127.0.0.1:{worker.metrics_port}"
    text = await asyncio.to_thread(lambda: urllib.request.urlopen(f"{url}/metrics").read().decode())
    for line in (
        'hermes_frames_total{camera="lobby",outcome="encoded"} 4.0',
        'hermes_memory_tokens{band="long_term",camera="lobby"} 64.0',
        'hermes_queries_total{code="OK"} 1.0',
        "hermes_inter_token_latency_seconds_count",
        'stage="warm"} 1.0',
        'stage="fresh"} 1.0',
    ):
        assert line in text, line
    ready = await asyncio.to_thread(lambda: urllib.request.urlopen(f"{url}/readyz").read())
    assert json.loads(ready)["ready"] is True

    remove(redis_client, "lobby")
    await until(lambda: worker._tenures.get("lobby") is None)
    text = await asyncio.to_thread(lambda: urllib.request.urlopen(f"{url}/metrics").read().decode())
    assert 'camera="lobby"' not in text


async def test_a_camera_of_another_owner_is_not_answered_for(
    worker: Worker, stub: Any, redis_client: redis.Redis
) -> None:
    assert isinstance(await refused(stub, asked("nobody")), CameraNotOwned)
    Feeder(redis_client, "lobby").push()
    await until(lambda: memory_state(redis_client, "lobby") == "serving")
    _, complete = await answer(stub, asked("lobby", max_tokens=2))
    newer = asked("lobby", epoch=complete.epoch + 1)
    assert isinstance(await refused(stub, newer), CameraNotOwned)
    assert isinstance(await refused(stub, asked("lobby", text="  ")), InvalidInput)


async def test_an_answer_ends_with_the_lease(
    worker: Worker, stub: Any, redis_client: redis.Redis
) -> None:
    """Another worker takes the camera over during an answer: this one says not one more word."""
    Feeder(redis_client, "lobby").push()
    await until(lambda: memory_state(redis_client, "lobby") == "serving")
    call = stub.Ask(asked("lobby", max_tokens=4000), timeout=60)
    assert (await anext(aiter(call))).delta.text
    lease = keys.lease("lobby", "worker")
    redis_client.hset(lease, mapping={"instance": "thief", "epoch": 10**15, "expires_ms": 10**15})
    worker._ownership._renewed_at = 0.0  # renew at the next tick rather than in 3 s
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await read_all(call)
    assert isinstance(error_of(caught.value, "the worker"), CameraNotOwned)
    await until(lambda: worker._engine.open_questions == 0, timeout_s=2)


async def test_a_client_that_hangs_up_frees_its_place(
    worker: Worker, stub: Any, redis_client: redis.Redis
) -> None:
    Feeder(redis_client, "lobby").push()
    await until(lambda: memory_state(redis_client, "lobby") == "serving")
    call = stub.Ask(asked("lobby", max_tokens=4000), timeout=60)
    await anext(aiter(call))
    assert worker._engine.open_questions == 1
    call.cancel()
    await until(lambda: worker._engine.open_questions == 0, timeout_s=2)


async def test_stopping_gives_the_cameras_back(redis_url: str, redis_client: redis.Redis) -> None:
    settings = WorkerSettings(
        redis_url=redis_url,
        listen="127.0.0.1:0",
        metrics_host="127.0.0.1",
        model=str(tiny.folder()),
        device="cpu",
        threads=1,
        drain_s=1.0,
    )
    worker = Worker(settings)
    await worker.start()
    Feeder(redis_client, "lobby").push()
    await until(lambda: memory_state(redis_client, "lobby") == "serving")
    await worker.stop()
    assert redis_client.hget(keys.lease("lobby", "worker"), "instance") is None
    assert redis_client.hlen(keys.members("worker")) == 0


async def test_questions_before_the_first_lease_are_refused(
    redis_url: str, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway may know this address from an earlier worker."""
    reply: list[HermesError] = []
    start = GrpcServer.start

    async def start_and_be_asked(self: GrpcServer) -> None:
        await start(self)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{new.port}") as channel:
            reply.append(await refused(WorkerServiceStub(channel), asked("lobby")))  # type: ignore[no-untyped-call]

    monkeypatch.setattr(GrpcServer, "start", start_and_be_asked)
    settings = WorkerSettings(
        redis_url=redis_url,
        listen="127.0.0.1:0",
        metrics_host="127.0.0.1",
        model=str(tiny.folder()),
        device="cpu",
        threads=1,
        drain_s=0.0,
    )
    new = Worker(settings)
    await new.start()
    await new.stop()
    assert isinstance(reply[0], CameraNotOwned)


async def test_a_device_that_fails_ends_the_worker(
    worker: Worker, stub: Any, redis_client: redis.Redis
) -> None:
    """It says so and ends, and another worker takes its cameras."""

    def broken(*_: object) -> None:
        raise RuntimeError("the device fell off the bus")

    worker._engine._turn = broken  # type: ignore[method-assign]
    worker._engine.nudge()
    await asyncio.wait_for(worker.failed.wait(), 5)
    url = f"http://127.0.0.1:{worker.metrics_port}/readyz"
    reply = await asyncio.to_thread(read_any_status, url)
    assert "the device's thread ended" in reply


def read_any_status(url: str) -> str:
    try:
        return bytes(urllib.request.urlopen(url).read()).decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.read().decode()


async def test_no_answer_is_made_up_about_a_camera_without_frames(
    worker: Worker, stub: Any, redis_client: redis.Redis
) -> None:
    feeder = Feeder(redis_client, "lobby")
    await until(lambda: memory_state(redis_client, "lobby") == "serving")
    for freshness in (query_pb2.FRESHNESS_LATEST, query_pb2.FRESHNESS_CACHED):
        reply = await refused(stub, asked("lobby", freshness=freshness))
        assert isinstance(reply, CameraNotReady)
        assert "no frame" in str(reply)
    feeder.push()
    _, complete = await answer(stub, asked("lobby", max_tokens=2))
    assert complete.coverage.frames == 1


def looked(camera_id: str, epoch: int = 0) -> worker_pb2.WorkerServiceInspectRequest:
    return worker_pb2.WorkerServiceInspectRequest(camera_id=camera_id, epoch=epoch)


async def not_shown(stub: Any, request: worker_pb2.WorkerServiceInspectRequest) -> HermesError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Inspect(request, timeout=20)
    return error_of(caught.value, "the worker")


async def test_inspect_shows_what_answers_are_made_of(
    worker: Worker, stub: Any, redis_client: redis.Redis
) -> None:
    feeder = Feeder(redis_client, "lobby")
    await until(lambda: memory_state(redis_client, "lobby") == "serving")
    empty = contents_of((await stub.Inspect(looked("lobby"), timeout=20)).contents)
    assert (empty.frames_seen, empty.times) == (0, {})  # unlike an answer, it makes nothing up
    for _ in range(24):
        feeder.push()
    _, complete = await answer(stub, asked("lobby", max_tokens=2))
    contents = contents_of((await stub.Inspect(looked("lobby"), timeout=20)).contents)
    assert (contents.policy, contents.budget, contents.model) == ("hermes", 160, complete.model)
    assert contents.epoch == complete.epoch
    assert contents.frames_seen == complete.coverage.frames_seen == 24
    assert len(contents.times) == complete.coverage.frames
    assert len(contents.layers[0].frames) < 24  # the newest, by its band
    assert next(iter(contents.times.values())) == complete.coverage.span.start.ToMilliseconds()
    assert all(layer.tokens == contents.tokens <= 160 + 4 * 16 for layer in contents.layers)
    looks = await asyncio.gather(*(stub.Inspect(looked("lobby"), timeout=20) for _ in range(8)))
    assert {contents_of(look.contents).bytes for look in looks} == {contents.bytes}


async def test_a_memory_of_another_owner_is_not_shown(
    worker: Worker, stub: Any, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(await not_shown(stub, looked("nobody")), CameraNotOwned)
    Feeder(redis_client, "lobby").push()
    await until(lambda: memory_state(redis_client, "lobby") == "serving")
    epoch = (await stub.Inspect(looked("lobby"), timeout=20)).contents.epoch
    assert isinstance(await not_shown(stub, looked("lobby", epoch + 1)), CameraNotOwned)

    inspect = CameraHandle.inspect

    def lose_it_meanwhile(handle: CameraHandle) -> Any:
        look = inspect(handle)
        worker._epoch_of = lambda camera_id: epoch + 1
        return look

    monkeypatch.setattr(CameraHandle, "inspect", lose_it_meanwhile)
    assert isinstance(await not_shown(stub, looked("lobby")), CameraNotOwned)


async def test_contents_too_large_for_a_message_are_refused(
    worker: Worker, stub: Any, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.hermes_worker.servicer.MAX_CONTENTS_BYTES", 100)
    Feeder(redis_client, "lobby").push()
    await until(lambda: memory_state(redis_client, "lobby") == "serving")
    reply = await not_shown(stub, looked("lobby"))
    assert isinstance(reply, Unsupported)
    assert "too large for one message" in str(reply)


async def test_answers_are_merged_without_any_camera(worker: Worker, stub: Any) -> None:
    answers = [
        worker_pb2.CameraAnswer(camera_id="dock", display_name="Dock", text="a red circle"),
        worker_pb2.CameraAnswer(camera_id="lobby", text="nobody"),
    ]
    question = query_pb2.Question(text="what colour is it?", max_tokens=5)
    request = worker_pb2.WorkerServiceMergeRequest(question=question, answers=answers)
    *deltas, last = [event async for event in stub.Merge(request, timeout=10)]
    assert "".join(event.delta.text for event in deltas)
    assert last.complete.answer_tokens <= 5
    assert (last.complete.shortened_answers, last.complete.coverage.frames) == (0, 0)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await read_all(stub.Merge(worker_pb2.WorkerServiceMergeRequest(question=question)))
    assert isinstance(error_of(caught.value, "it"), NothingToMerge)
