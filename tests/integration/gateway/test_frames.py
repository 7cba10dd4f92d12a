"""Pictures on their way through a real gateway, from a worker to a client."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import grpc
import pytest
import redis

from hermes import errors
from hermes.client import AsyncHermesClient, FramePicture
from hermes.v1 import memory_pb2
from services.hermes_worker.kept_pictures import MAX_PICTURE_BYTES
from services.query_gateway.gateway import Gateway
from tests.support.fake_worker import Abort, Fail, FakeWorker, Hang
from tests.support.gateway import own, register

FIRST_MS = 1_700_000_000_000


def sent(number: int, jpeg: bytes, media_ms: int | None = None) -> memory_pb2.FramePicture:
    frame = memory_pb2.FramePicture(frame=number, jpeg=jpeg, bytes=len(jpeg))
    frame.captured.FromMilliseconds(FIRST_MS + 1000 * number)
    if media_ms is not None:
        frame.media.FromMilliseconds(media_ms)
    return frame


def time_of(number: int) -> datetime:
    return datetime.fromtimestamp(FIRST_MS / 1000 + number, UTC)


async def test_the_query_reaches_the_worker_and_its_frames_the_client(
    client: AsyncHermesClient, worker: FakeWorker, lobby: str
) -> None:
    worker.frames = [sent(3, b"three", 1500), sent(4, b"")]
    stream = client.frames(
        "lobby", start=time_of(1), end=time_of(5), limit=2, newest_first=True, without_pictures=True
    )
    assert [frame async for frame in stream] == [
        FramePicture(time_of(3), 3, 1.5, b"three", 5),
        FramePicture(time_of(4), 4, None, b"", 0),
    ]
    query = worker.listings[0].request.query
    assert (query.camera_id, query.limit) == ("lobby", 2)
    assert query.start.ToDatetime(UTC) == time_of(1)
    assert query.end.ToDatetime(UTC) == time_of(5)
    assert query.newest_first
    assert query.without_pictures


async def test_the_largest_picture_comes_through(
    client: AsyncHermesClient, worker: FakeWorker, lobby: str
) -> None:
    large = bytes(MAX_PICTURE_BYTES)
    worker.frames = [sent(0, large, 2**40), sent(1, large)]
    assert [frame.bytes async for frame in client.frames("lobby")] == [len(large)] * 2
    assert (await client.snapshot("lobby")).jpeg == large


async def test_a_snapshot_is_the_newest_frame(
    client: AsyncHermesClient, worker: FakeWorker, lobby: str
) -> None:
    worker.frames = [sent(3, b"three", 1500)]
    newest = await client.snapshot("lobby")
    assert newest == FramePicture(time_of(3), None, 1.5, b"three", 5)
    query = worker.listings[0].request.query
    assert (query.limit, query.newest_first, query.without_pictures) == (1, True, False)
    for nothing in ([], [sent(3, b"")]):
        worker.frames = nothing
        with pytest.raises(errors.CameraNotReady, match="no picture of camera 'lobby'"):
            await client.snapshot("lobby")


async def test_a_query_that_cannot_be_is_refused_at_the_door(
    client: AsyncHermesClient, worker: FakeWorker, lobby: str
) -> None:
    for camera_id, field in (("no such id!", "query.camera_id"), ("", "query.camera_id")):
        with pytest.raises(errors.InvalidInput) as caught:
            [frame async for frame in client.frames(camera_id)]
        assert caught.value.field == field
    with pytest.raises(errors.InvalidInput):
        client.frames("lobby", start=time_of(5), end=time_of(1))
    with pytest.raises(errors.InvalidInput):
        client.frames("lobby", start=datetime(2026, 1, 1))
    assert worker.listings == []


@pytest.mark.parametrize(
    "error",
    [
        errors.CameraNotReady("no frame of camera 'lobby' has been seen yet", 1.0),
        errors.Unsupported("the worker of camera 'lobby' keeps no pictures"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_workers_errors_reach_the_client(
    client: AsyncHermesClient, worker: FakeWorker, lobby: str, error: errors.HermesError
) -> None:
    worker.frames = [Fail(error)]
    with pytest.raises(type(error), match=str(error)):
        await client.snapshot("lobby")


async def test_a_worker_of_an_older_version(
    client: AsyncHermesClient, worker: FakeWorker, lobby: str
) -> None:
    worker.frames = [Abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")]
    with pytest.raises(errors.Unsupported, match="older than the gateway"):
        await client.snapshot("lobby")


async def test_a_former_owner_shows_nothing(
    client: AsyncHermesClient, redis_client: redis.Redis, worker: FakeWorker
) -> None:
    register(redis_client, "lobby")
    lease = own(redis_client, "lobby", worker.address)
    worker.frames, worker.frames_epoch = [sent(0, b"old")], lease.epoch - 1
    with pytest.raises(errors.CameraNotReady, match="changing hands"):
        await client.snapshot("lobby")


async def test_the_deadline_ends_the_call_at_the_worker_too(
    gateway: Gateway, client: AsyncHermesClient, worker: FakeWorker, lobby: str
) -> None:
    worker.frames = [sent(0, b"first"), Hang()]
    stream = client.frames("lobby", timeout=1.0)
    assert (await anext(stream)).jpeg == b"first"
    with pytest.raises(errors.DeadlineExceeded):
        await anext(stream)
    await asyncio.wait_for(worker.listings[0].ended.wait(), 10)


async def test_a_slow_reader_holds_pictures_back_and_one_that_leaves_ends_the_call(
    client: AsyncHermesClient, worker: FakeWorker, lobby: str, caplog: pytest.LogCaptureFixture
) -> None:
    worker.frames = [sent(number, bytes(1_000_000)) for number in range(200)]
    async with client.frames("lobby") as stream:
        assert (await anext(stream)).number == 0
        assert (await client.snapshot("lobby")).number is None  # others are served meanwhile
        assert worker.frames_sent < 100
    await asyncio.wait_for(worker.listings[0].ended.wait(), 10)
    assert worker.frames_sent < len(worker.frames)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_wrong_owner_is_resolved_again_and_a_begun_list_is_not(
    client: AsyncHermesClient, redis_client: redis.Redis, worker: FakeWorker, lobby: str
) -> None:
    worker.frames = [Fail(errors.CameraNotOwned("lobby"))]
    with pytest.raises(errors.CameraNotReady, match="changing hands"):
        await client.snapshot("lobby")
    assert len(worker.listings) == 2
    worker.frames = [sent(0, b"first"), Fail(errors.CameraNotOwned("lobby"))]
    stream = client.frames("lobby")
    assert (await anext(stream)).number == 0
    with pytest.raises(errors.CameraNotReady, match="changing hands"):
        await anext(stream)
    assert len(worker.listings) == 3
