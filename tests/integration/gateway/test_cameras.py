"""Cameras over the API: added, shown without their credentials, removed with all that is theirs."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import grpc
import grpc.aio
import pytest
import redis
from cryptography.fernet import Fernet
from google.protobuf.json_format import MessageToJson

from hermes import errors
from hermes.client import AsyncHermesClient, Picture
from hermes.v1.camera_pb2 import (
    MEMORY_STATE_SERVING,
    SOURCE_ERROR_AUTH,
    SOURCE_STATE_OFFLINE,
    Camera,
    CameraServiceAddRequest,
    Coverage,
    MemoryStatus,
    SourceStatus,
)
from hermes.v1.camera_pb2_grpc import CameraServiceStub
from services.common import camera_status, keys
from services.common.camera_credentials import CameraCredentials
from services.common.metrics import ALERTED_CODES
from services.common.placement import Member
from services.query_gateway.gateway import Gateway
from tests.support.gateway import own, register, running_gateway


@pytest.fixture
async def gateway(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> AsyncIterator[Gateway]:
    async with running_gateway(redis_url, media_root=tmp_path) as gateway:
        yield gateway


def stored(client: redis.Redis, camera_id: str) -> Camera:
    raw = client.hget(keys.CAMERAS, camera_id)
    assert isinstance(raw, bytes)
    return Camera.FromString(raw)


async def test_cameras_added_elsewhere_are_counted(
    gateway: Gateway, client: AsyncHermesClient, redis_client: redis.Redis
) -> None:
    sample = gateway.metrics.registry.get_sample_value

    async def counted(cameras: int) -> None:
        async with asyncio.timeout(5):
            while sample("hermes_cameras_registered") != cameras:
                await asyncio.sleep(0.05)

    await counted(0)
    register(redis_client, "dock")
    await client.add_camera("lobby", "rtsp://10.0.0.5/live")
    await counted(2)
    await client.remove_camera("dock")
    await counted(1)


async def test_failures_are_counted_from_nothing(gateway: Gateway) -> None:
    sample = gateway.metrics.registry.get_sample_value
    assert {sample("hermes_queries_total", {"code": code}) for code in ALERTED_CODES} == {0}


async def test_a_camera_comes_and_goes(
    client: AsyncHermesClient, redis_client: redis.Redis
) -> None:
    before = datetime.now(UTC)
    added = await client.add_camera(
        "lobby",
        "rtsp://10.0.0.5/live",
        frames_per_second=2,
        chunk_max_frames=8,
        chunk_max_duration_s=1.5,
        pacing="live",
    )
    assert added.created is not None
    assert before <= added.created <= datetime.now(UTC)
    assert (added.source.state, added.memory.state) == ("pending", "pending")
    assert (added.frames_per_second, added.chunk_max_frames) == (2, 8)
    assert (added.chunk_max_duration_s, added.pacing, added.loop) == (1.5, "live", False)
    assert await client.get_camera("lobby") == added
    assert await client.list_cameras() == [added]
    assert stored(redis_client, "lobby").sampling.chunk_max_frames == 8

    for key in keys.all_of("lobby"):
        redis_client.set(key, "x")
    redis_client.set(keys.frames("other"), "x")
    await client.remove_camera("lobby")
    assert [key for key in keys.all_of("lobby") if redis_client.exists(key)] == []
    assert redis_client.exists(keys.frames("other"))
    assert await client.list_cameras() == []
    for gone in (client.get_camera("lobby"), client.remove_camera("lobby")):
        with pytest.raises(errors.CameraNotFound):
            await gone


async def test_corrections_of_the_picture_are_kept_and_shown(client: AsyncHermesClient) -> None:
    picture = Picture(rotate=90, aspect="4:3", transport="tcp", color="bt709-full")
    added = await client.add_camera("lobby", "rtsp://10.0.0.5/live", picture=picture)
    assert added.picture == picture
    assert (await client.get_camera("lobby")).picture == picture
    with pytest.raises(errors.InvalidInput) as refused:
        await client.add_camera("dock", "http://10.0.0.5/live", picture=picture)
    assert refused.value.field == "camera.picture.transport"


async def test_an_id_can_be_added_only_once(
    client: AsyncHermesClient, redis_client: redis.Redis
) -> None:
    await client.add_camera("lobby", "rtsp://first/live")
    with pytest.raises(errors.CameraExists) as caught:
        await client.add_camera("lobby", "rtsp://second/live")
    cause = caught.value.__cause__
    assert isinstance(cause, grpc.aio.AioRpcError)
    assert cause.code() == grpc.StatusCode.ALREADY_EXISTS
    assert stored(redis_client, "lobby").url == "rtsp://first/live"


async def test_the_gateway_says_when_it_was_added(
    gateway: Gateway, redis_client: redis.Redis
) -> None:
    camera = Camera(id="lobby", url="rtsp://c/live")
    camera.created.FromSeconds(5)
    camera.MergeFromString(b"\xf2\x3f\x03odd")  # a field that nobody knows
    async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        add = CameraServiceStub(channel).Add  # type: ignore[no-untyped-call]
        await add(CameraServiceAddRequest(camera=camera), timeout=5)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await add(CameraServiceAddRequest(), timeout=5)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    kept = stored(redis_client, "lobby")
    assert kept.created.ToSeconds() > 1_700_000_000
    assert b"odd" not in kept.SerializeToString()


async def test_cameras_are_listed_by_id_with_their_state(
    client: AsyncHermesClient, redis_client: redis.Redis
) -> None:
    for camera_id in ("b", "a", "c.1"):
        await client.add_camera(camera_id, f"rtsp://{camera_id}/live")
    source = SourceStatus(
        state=SOURCE_STATE_OFFLINE,
        error=SOURCE_ERROR_AUTH,
        error_message="refused by rtsp://root:hunter2@a/live",
        reconnects=3,
    )
    lease = own(redis_client, "a", "w1:1")
    memory = MemoryStatus(
        state=MEMORY_STATE_SERVING,
        frames=12,
        bytes=4096,
        worker="w1",
        epoch=lease.epoch,
        coverage=Coverage(frames=12),
    )
    fields = camera_status.memory_fields(memory, "5-0")
    fields[camera_status.SOURCE] = MessageToJson(source)  # by a decoder that masks nothing
    redis_client.hset(keys.status("a"), items=[part for pair in fields.items() for part in pair])
    redis_client.hset(keys.CAMERAS, "broken", b"\xff\xff")
    redis_client.hset(keys.status("b"), mapping={camera_status.SOURCE: '{"state": "nonsense"}'})

    cameras = await client.list_cameras()
    assert [camera.id for camera in cameras] == ["a", "b", "c.1"]
    a = cameras[0]
    assert (a.source.state, a.source.error, a.source.reconnects) == ("offline", "auth", 3)
    assert "hunter2" not in a.source.error_message
    assert (a.memory.state, a.memory.frames, a.memory.bytes) == ("serving", 12, 4096)
    assert cameras[2].source.state == "pending"

    # A memory that has never seen a frame has nothing to answer from.
    lease_c = own(redis_client, "c.1", "w1:1")
    nothing = MemoryStatus(state=MEMORY_STATE_SERVING, worker="w1", epoch=lease_c.epoch)
    for seen, state in ((0, "empty"), (7, "serving")):
        nothing.coverage.frames_seen = seen
        redis_client.hset(
            keys.status("c.1"), mapping={camera_status.MEMORY: MessageToJson(nothing)}
        )
        assert (await client.get_camera("c.1")).memory.state == state

    # The lease decides whether a question is taken, so that is what is shown.
    redis_client.hset(keys.lease("a", "worker"), "state", "replaying")
    assert (await client.get_camera("a")).memory.state == "replaying"

    redis_client.hset(keys.lease("a", "worker"), "expires_ms", lease.epoch - 60_000)
    a = await client.get_camera("a")
    assert (a.memory.state, a.memory.frames, a.memory.worker) == ("pending", 0, "")
    # What a former owner wrote says nothing of the next one's memory.
    own(redis_client, "a", "w2:1", instance="worker-2")
    a = await client.get_camera("a")
    assert (a.memory.state, a.memory.frames, a.memory.worker) == ("pending", 0, "")
    assert a.source.state == "offline"


async def test_a_camera_says_what_it_waits_for(
    client: AsyncHermesClient, redis_client: redis.Redis
) -> None:
    added = await client.add_camera("lobby", "rtsp://lobby/live")
    assert added.source.error_message == "waiting for a decoder: none is running"
    assert added.memory.message == "waiting for a worker: none is running"
    now_ms = redis_client.time()[0] * 1000
    full = {"decoder": Member("d1", "", "cpu", 64, 64, now_ms)}
    full["worker"] = Member("w1", "", "cpu", 2, 2, now_ms)
    for role in ("decoder", "worker"):
        redis_client.hset(keys.members(role), full[role].instance, full[role].to_json())
    added = await client.add_camera("dock", "rtsp://dock/live")
    for camera in (added, await client.get_camera("lobby"), *await client.list_cameras()):
        assert (camera.source.state, camera.memory.state) == ("pending", "pending")
        assert camera.source.error_message == (
            "waiting for a decoder: 64 of 64 places taken; --capacity"
        )
        assert camera.memory.message.startswith("waiting for a worker: 2 of 2 places taken;")


@pytest.mark.parametrize(
    ("url", "reported"),
    [
        ("", "is empty"),
        ("file:///etc/passwd", "outside the media folder"),
        ("../../etc/passwd", "outside the media folder"),
        ("ftp://user:hunter2@host/x.mp4", "'ftp' is not allowed"),
        ("rtsp://user:hunter2@:554/x", "names no host"),
        ("rtsp://user:hunter2@[::1/x", "cannot be read"),
        ("rtsp://user:hunter2@host:port/x", "cannot be read"),
        ("rtsp://h/\nSET x", "control characters"),
        ("rtsp://h/" + "x" * 3000, "longer than"),
    ],
)
async def test_urls_that_cannot_be_cameras_are_refused(
    client: AsyncHermesClient,
    redis_client: redis.Redis,
    url: str,
    reported: str,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(errors.InvalidInput, match=reported) as caught:
        await client.add_camera("lobby", url)
    assert caught.value.field == "camera.url"
    cause = caught.value.__cause__
    assert isinstance(cause, grpc.aio.AioRpcError)
    assert cause.code() == grpc.StatusCode.INVALID_ARGUMENT
    out = capsys.readouterr()
    assert "hunter2" not in f"{caught.value}{cause}{out.out}{out.err}{caplog.text}"
    assert not redis_client.hexists(keys.CAMERAS, "lobby")


async def test_files_are_refused_without_a_media_folder(
    redis_url: str, redis_client: redis.Redis
) -> None:
    async with (
        running_gateway(redis_url) as gateway,
        AsyncHermesClient(f"127.0.0.1:{gateway.port}") as client,
    ):
        with pytest.raises(errors.InvalidInput, match="not enabled"):
            await client.add_camera("dock", "dock.mp4")


async def test_a_file_below_the_media_folder_is_a_camera(client: AsyncHermesClient) -> None:
    added = await client.add_camera("dock", "dock.mp4", loop=True)
    assert (added.url, added.loop) == ("dock.mp4", True)


@pytest.mark.parametrize(
    ("camera_id", "frames_per_second", "field"),
    [
        ("", 1, "camera.id"),
        ("a b", 1, "camera.id"),
        ("x" * 65, 1, "camera.id"),
        ("{a}", 1, "camera.id"),
        ("ok", -1, "camera.sampling.frames_per_second"),
        ("ok", math.nan, "camera.sampling.frames_per_second"),
        ("ok", 1000, "camera.sampling.frames_per_second"),
    ],
)
async def test_what_is_wrong_is_named(
    client: AsyncHermesClient, camera_id: str, frames_per_second: float, field: str
) -> None:
    with pytest.raises(errors.InvalidInput) as caught:
        await client.add_camera(camera_id, "rtsp://c/x", frames_per_second=frames_per_second)
    assert caught.value.field == field


@pytest.mark.parametrize("call", ["get_camera", "remove_camera"])
async def test_an_invalid_id_is_refused(client: AsyncHermesClient, call: str) -> None:
    with pytest.raises(errors.InvalidInput) as caught:
        await getattr(client, call)("{*}")
    assert caught.value.field == "camera_id"


async def test_a_password_is_used_and_never_shown(
    client: AsyncHermesClient,
    redis_client: redis.Redis,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    url = "rtsp://admin:hunter2@10.0.0.5/live?token=opensesame"
    shown = [await client.add_camera("lobby", url), await client.get_camera("lobby")]
    shown += await client.list_cameras()
    with pytest.raises(errors.CameraExists) as caught:
        await client.add_camera("lobby", url)
    assert stored(redis_client, "lobby").url == url
    out = capsys.readouterr()
    everything = f"{shown}{caught.value}{caught.value.__cause__}{out.out}{out.err}{caplog.text}"
    assert "camera_added" in everything  # the log was seen
    assert "10.0.0.5" in everything
    assert "hunter2" not in everything
    assert "opensesame" not in everything


async def test_listing_costs_a_fixed_number_of_redis_calls(
    client: AsyncHermesClient, redis_client: redis.Redis
) -> None:
    """Listing asks Redis a fixed number of times, however many cameras there are."""

    async def commands_for_a_list() -> int:
        before = redis_client.info("commandstats")
        await client.list_cameras()
        after = redis_client.info("commandstats")
        assert isinstance(before, dict)
        assert isinstance(after, dict)
        return int(after["cmdstat_hgetall"]["calls"]) - int(
            before.get("cmdstat_hgetall", {"calls": 0})["calls"]
        )

    for n in range(50):
        register(redis_client, f"camera-{n:03}")
    assert await commands_for_a_list() == 3 + 2 * 50  # three lists, and two hashes a camera
    assert len(await client.list_cameras()) == 50


async def test_credentials_are_sealed_in_redis_and_hidden_from_clients(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    keys_file = tmp_path / "keys"
    keys_file.write_bytes(Fernet.generate_key())
    url = "rtsp://viewer:hunter2@10.0.0.7/stream1"
    async with (
        running_gateway(redis_url, credentials_key_file=keys_file) as gateway,
        AsyncHermesClient(f"127.0.0.1:{gateway.port}") as client,
    ):
        added = await client.add_camera("lobby", url)
        assert added.url == "rtsp://***@10.0.0.7/stream1"
        assert await client.list_cameras() == [added]
        with pytest.raises(errors.CameraExists):
            await client.add_camera("lobby", url)
        await client.add_camera("open", "rtsp://10.0.0.8/1")
    assert b"hunter2" not in redis_client.hget(keys.CAMERAS, "lobby")  # type: ignore[operator]
    assert CameraCredentials(keys_file).open(stored(redis_client, "lobby").url) == url
    assert stored(redis_client, "open").url == "rtsp://10.0.0.8/1"
