"""A question to many cameras, through a real gateway to workers and back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import redis
from structlog.testing import capture_logs

from hermes import errors
from hermes.client import (
    AsyncHermesClient,
    CameraAnswered,
    CameraDelta,
    CameraFailed,
    HermesClient,
    ManyResult,
    last,
)
from hermes.question import Turn
from hermes.v1 import query_pb2
from hermes.v1.camera_pb2 import Camera
from hermes.v1.query_pb2_grpc import QueryServiceStub
from services.common import keys
from services.common.placement import Member
from services.query_gateway.gateway import Gateway
from tests.support.fake_worker import Abort, End, Fail, FakeWorker, Hang, Rest, Say
from tests.support.gateway import own, running_gateway
from tests.support.tokens import write_tokens

CAMERAS = [f"dock-{number}" for number in range(1, 6)]


def add(client: redis.Redis, camera_id: str, name: str = "", **labels: str) -> None:
    camera = Camera(id=camera_id, url="rtsp://camera/live", display_name=name, labels=labels)
    client.hset(keys.CAMERAS, camera_id, camera.SerializeToString())


def announce(client: redis.Redis, worker: FakeWorker, instance: str = "worker-1") -> None:
    seconds, _ = client.time()
    member = Member(instance, worker.address, "cpu", 64, 1, seconds * 1000)
    client.hset(keys.members("worker"), instance, member.to_json())


@pytest.fixture
def docks(redis_client: redis.Redis, worker: FakeWorker) -> list[str]:
    """Five cameras of one worker, each with an answer of its own."""
    for camera_id in CAMERAS:
        add(redis_client, camera_id, f"Dock {camera_id[-1]}", site="dock")
        own(redis_client, camera_id, worker.address)
        worker.by_camera[camera_id] = [Say(f"{camera_id} "), Say("is empty"), End()]
    announce(redis_client, worker)
    return CAMERAS


async def test_every_camera_answers_by_itself(
    client: AsyncHermesClient, gateway: Gateway, worker: FakeWorker, docks: list[str]
) -> None:
    stream = client.ask_many("who?", selector="site=dock", max_tokens=7)
    assert await stream.camera_ids() == tuple(docks)
    events = [event async for event in stream]
    for camera_id in docks:
        own_events = [event for event in events if event.camera_id == camera_id]
        *deltas, last = own_events
        assert all(isinstance(event, CameraDelta) for event in deltas)
        assert isinstance(last, CameraAnswered)
        assert last.answer.text == f"{camera_id} is empty"
        assert last.answer.timings.gateway_time_to_first_token_s is not None
        assert last.answer.epoch > 0
    result = await stream.result()
    assert list(result.answers) == docks
    assert (dict(result.errors), result.merged, result.merge_error) == ({}, None, None)
    assert worker.merges == []
    assert [len(call.cameras) for call in worker.many] == [len(docks)]  # in one call
    registry = gateway.metrics.registry
    assert registry.get_sample_value("hermes_queries_total", {"code": "OK"}) == len(docks)


def test_the_blocking_client(redis_url: str, redis_client: redis.Redis) -> None:
    async def serve(ready: asyncio.Future[int], done: asyncio.Event) -> None:
        worker = FakeWorker([Say("yes"), End()])
        await worker.start()
        for camera_id in ("a", "b"):
            add(redis_client, camera_id)
            own(redis_client, camera_id, worker.address)
        async with running_gateway(redis_url) as gateway:
            ready.set_result(gateway.port)
            await done.wait()
        await worker.stop()

    def ask(port: int) -> tuple[tuple[str, ...], ManyResult]:
        with (
            HermesClient(f"127.0.0.1:{port}") as client,
            client.ask_many("what?", cameras=["b", "a", "nowhere"]) as stream,
        ):
            return stream.camera_ids, stream.result()

    async def both() -> tuple[tuple[str, ...], ManyResult]:
        ready, done = asyncio.get_running_loop().create_future(), asyncio.Event()
        serving = asyncio.create_task(serve(ready, done))
        try:
            return await asyncio.to_thread(ask, await ready)
        finally:
            done.set()
            await serving

    ids, result = asyncio.run(both())
    assert ids == ("b", "a", "nowhere")
    assert {name: answer.text for name, answer in result.answers.items()} == {
        "b": "yes",
        "a": "yes",
    }
    assert [type(error) for error in result.errors.values()] == [errors.CameraNotFound]


async def test_everything_of_the_question_reaches_every_camera(
    client: AsyncHermesClient, worker: FakeWorker, docks: list[str]
) -> None:
    span = last(minutes=10)
    await client.ask_many(
        "who?", cameras=docks, span=span, yes_no=True, turns=[Turn("a?", "b")], evidence=2
    ).result()
    asked = [seen.request.question for seen in worker.calls]
    assert sorted(question.camera_id for question in asked) == docks
    for question in asked:
        assert not question.HasField("cameras")
        assert list(question.choices.texts) == ["yes", "no"]
        assert question.span.HasField("last")
        assert (question.turns[0].answer, question.evidence.frames) == ("b", 2)


async def test_what_goes_wrong_with_one_concerns_no_other(
    client: AsyncHermesClient, worker: FakeWorker, docks: list[str]
) -> None:
    worker.by_camera |= {
        docks[0]: [Say("half"), Abort(grpc.StatusCode.UNAVAILABLE, "10.0.0.1:50061 is down")],
        docks[1]: [Fail(errors.InvalidInput("question.max_tokens", "at most 40"))],
        docks[2]: [Say("begun"), Hang()],
    }
    stream = client.ask_many("who?", cameras=[*docks, "nowhere"], timeout=1.0)
    result = await stream.result()
    assert list(result.answers) == docks[3:]
    kinds = {camera_id: type(error) for camera_id, error in result.errors.items()}
    assert kinds == {
        docks[0]: errors.Unavailable,
        docks[1]: errors.InvalidInput,
        docks[2]: errors.DeadlineExceeded,
        "nowhere": errors.CameraNotFound,
    }
    assert "10.0.0.1" not in str(result.errors[docks[0]])


async def test_a_client_that_does_not_ask_for_more_gets_one_event_a_message(
    gateway: Gateway, docks: list[str]
) -> None:
    asked = query_pb2.QueryServiceAskManyRequest(
        question={"text": "who?", "cameras": {"camera_ids": docks}}
    )
    async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        stub: Any = QueryServiceStub(channel)  # type: ignore[no-untyped-call]
        plain = [message async for message in stub.AskMany(asked, timeout=20)]
        asked.joined = True
        joined = [message async for message in stub.AskMany(asked, timeout=20)]
    assert not any(message.more for message in plain)
    assert len(joined) <= len(plain)

    def texts(messages: list[query_pb2.QueryServiceAskManyResponse]) -> dict[str, str]:
        found: dict[str, str] = {}
        for one in messages:
            for event in (one, *one.more):
                found[event.camera_id] = found.get(event.camera_id, "") + event.delta.text
        return found

    assert texts(joined) == texts(plain)


async def test_a_slow_camera_delays_nobody_and_cancelling_stops_it(
    client: AsyncHermesClient, gateway: Gateway, worker: FakeWorker, docks: list[str]
) -> None:
    worker.by_camera[docks[0]] = [Hang()]
    stream = client.ask_many("who?", cameras=docks)
    ended = set[str]()
    async with asyncio.timeout(5):
        async for event in stream:
            if isinstance(event, CameraAnswered):
                ended.add(event.camera_id)
            if len(ended) == 4:
                break
    stream.cancel()
    hanging = next(s for s in worker.calls if s.request.question.camera_id == docks[0])
    await asyncio.wait_for(hanging.ended.wait(), 2)
    async with asyncio.timeout(2):
        while gateway.open_calls:
            await asyncio.sleep(0.01)


async def test_a_worker_has_a_bound_of_questions_at_a_time(
    redis_url: str, worker: FakeWorker, docks: list[str]
) -> None:
    worker.by_camera = {dock: [Rest(0.1), Say("yes"), End()] for dock in docks}
    async with (
        running_gateway(redis_url, many_at_once_of_one_worker=2) as gateway,
        AsyncHermesClient(f"127.0.0.1:{gateway.port}") as client,
    ):
        began = time.monotonic()
        result = await client.ask_many("who?", cameras=docks).result()
        assert len(result.answers) == 5
        assert time.monotonic() - began >= 0.3  # three rounds of two


async def test_one_answer_is_made_of_all(
    client: AsyncHermesClient, worker: FakeWorker, docks: list[str]
) -> None:
    worker.by_camera[docks[0]] = [Fail(errors.Overloaded("full", 10.0))]
    worker.mergers = [[Say("All docks "), Say("are empty."), End()]]
    stream = client.ask_many("who?", selector="site=dock", merge=True, max_tokens=9, evidence=1)
    events = [event async for event in stream]
    ends = [i for i, e in enumerate(events) if e.camera_id and not isinstance(e, CameraDelta)]
    merged = [i for i, e in enumerate(events) if not e.camera_id]
    assert max(ends) < min(merged)
    result = await stream.result()
    assert result.merged is not None
    assert result.merged.text == "All docks are empty."
    (seen,) = worker.merges
    assert (seen.request.question.text, seen.request.question.max_tokens) == ("who?", 9)
    assert not seen.request.question.HasField("evidence")
    answers = [(a.camera_id, a.display_name, a.text) for a in seen.request.answers]
    assert answers == [(f"dock-{n}", f"Dock {n}", f"dock-{n} is empty") for n in (2, 3, 4, 5)]


async def test_without_any_answer_there_is_nothing_to_merge(
    client: AsyncHermesClient, worker: FakeWorker
) -> None:
    result = await client.ask_many("who?", cameras=["nowhere", "elsewhere"], merge=True).result()
    assert isinstance(result.merge_error, errors.NothingToMerge)
    assert len(result.errors) == 2
    assert worker.merges == []


async def test_another_worker_merges_if_one_has_no_room(
    client: AsyncHermesClient, redis_client: redis.Redis, worker: FakeWorker, docks: list[str]
) -> None:
    other = FakeWorker()
    await other.start()
    other.mergers = [[Say("together"), End()]]
    announce(redis_client, other, "worker-2")
    worker.mergers = [[Fail(errors.Overloaded("full"))]]
    try:
        result = await client.ask_many("who?", cameras=docks, merge=True).result()
        assert result.merged is not None
        assert result.merged.text == "together"
        worker.mergers = other.mergers = [[Fail(errors.Overloaded("full"))]]
        result = await client.ask_many("who?", cameras=docks, merge=True).result()
        assert isinstance(result.merge_error, errors.Overloaded)
        assert len(result.answers) == 5
    finally:
        await other.stop()


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ({"selector": "site=nowhere"}, errors.NothingSelected),
        ({"cameras": ["no such id!"]}, errors.InvalidInput),
        ({"cameras": [f"c{number}" for number in range(300)]}, errors.InvalidInput),
    ],
    ids=["nothing-selected", "bad-id", "too-many"],
)
async def test_what_cannot_be_asked_ends_the_call(
    client: AsyncHermesClient,
    worker: FakeWorker,
    docks: list[str],
    asked: dict[str, str],
    kind: type[errors.HermesError],
) -> None:
    with pytest.raises(kind) as caught:
        await client.ask_many("who?", **asked).result()  # type: ignore[arg-type]
    if isinstance(caught.value, errors.InvalidInput):
        assert caught.value.field == "question.cameras.camera_ids"
    with pytest.raises(errors.HermesError):
        await client.ask_many("who?", **asked).camera_ids()  # type: ignore[arg-type]
    assert worker.calls == []


@pytest.fixture
async def guarded(redis_url: str, tmp_path: Path) -> AsyncIterator[tuple[Gateway, str]]:
    """A gateway that wants tokens, and one that may read all docks and ask two of them."""
    path = tmp_path / "tokens.yaml"
    tokens = write_tokens(path, wall="read:dock-* ask:dock-1 ask:dock-2")
    async with running_gateway(redis_url, tokens_file=path) as gateway:
        yield gateway, tokens["wall"]


async def test_rights_are_per_camera(
    guarded: tuple[Gateway, str], redis_client: redis.Redis, worker: FakeWorker, docks: list[str]
) -> None:
    gateway, token = guarded
    add(redis_client, "vault", site="dock")
    async with AsyncHermesClient(f"127.0.0.1:{gateway.port}", token=token) as client:
        with capture_logs() as lines:
            selected = await client.ask_many("who?", selector="site=dock").result()
            async with asyncio.timeout(2):
                while gateway.open_calls:
                    await asyncio.sleep(0.01)
        named = await client.ask_many("who?", cameras=["vault", "nowhere", "dock-1"]).result()
        with pytest.raises(errors.NothingSelected):
            await client.ask_many("who?", selector="site=vault").result()
    assert list(selected.answers) == ["dock-1", "dock-2"]
    assert {type(error) for error in selected.errors.values()} == {errors.PermissionDenied}
    assert list(selected.errors) == ["dock-3", "dock-4", "dock-5"]
    assert list(named.answers) == ["dock-1"]
    told = {name: str(error).replace(name, "*") for name, error in named.errors.items()}
    assert told["vault"] == told["nowhere"]  # nothing says which of them exists
    (line,) = (line for line in lines if line["event"] == "audit")
    assert (line["who"], line["cameras"]) == ("token:wall", docks)
    assert line["denied"] == ["dock-3", "dock-4", "dock-5"]


async def test_a_camera_whose_worker_is_gone_is_its_error(
    client: AsyncHermesClient, redis_client: redis.Redis, worker: FakeWorker, docks: list[str]
) -> None:
    add(redis_client, "yard")
    own(redis_client, "yard", "127.0.0.1:1")
    result = await client.ask_many("who?", cameras=[*docks, "yard"]).result()
    assert list(result.answers) == docks
    assert isinstance(result.errors["yard"], errors.Unavailable)
    failed = CameraFailed("yard", result.errors["yard"])
    assert failed.camera_id == "yard"
