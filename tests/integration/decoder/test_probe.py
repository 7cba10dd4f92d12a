"""A source is probed before it is added: gateway, Redis, decoder and a process of its own."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from io import BytesIO
from pathlib import Path

import pytest
import redis
from PIL import Image

from hermes.client import AsyncHermesClient, Picture
from hermes.errors import InvalidInput, Unavailable
from hermes.v1.camera_pb2 import Camera
from hermes.v1.probe_pb2 import ProbeJob
from services.cli.redis_server import free_port
from services.common import keys
from tests.integration.decoder.conftest import RtspServer
from tests.support import painted, video
from tests.support.decoder_service import DecoderService
from tests.support.gateway import running_gateway
from tests.support.waiting import eventually

MOST_S = 10.0


@pytest.fixture
async def client(
    decoder: DecoderService, redis_client: redis.Redis, redis_url: str
) -> AsyncIterator[AsyncHermesClient]:
    await asyncio.to_thread(
        eventually, lambda: redis_client.hlen(keys.members("decoder")), name="a decoder"
    )
    async with (
        running_gateway(redis_url, media_root=decoder.media) as gateway,
        AsyncHermesClient(f"127.0.0.1:{gateway.port}") as client,
    ):
        yield client


async def test_a_file_is_described_as_it_would_be_taken(
    decoder: DecoderService, client: AsyncHermesClient, redis_client: redis.Redis
) -> None:
    painted.write(
        decoder.media / "a.mp4",
        [painted.quarters((192, 64))] * 30,
        turn=(270, False, False),
        options={"g": "10", "sc_threshold": "0"},
    )
    found = await client.probe_camera("a.mp4", thumbnail=True)
    assert (found.error, found.error_message) == ("", "")
    picture = found.picture
    assert picture is not None
    assert (picture.codec, picture.frames_per_second, picture.rotate) == ("h264", 10.0, 90)
    assert (picture.width, picture.height) == (64, 192)
    assert (picture.frame_width, picture.frame_height) == (22, 64)
    assert picture.color == "bt601-limited"
    assert (found.key_frame_interval_s, found.key_frame_interval_open) == (1.0, False)
    assert (found.frames_per_second, found.length_s) == (5.0, 3.0)
    assert found.frame_bytes == len(found.thumbnail)
    with Image.open(BytesIO(found.thumbnail)) as thumbnail:
        assert thumbnail.size == (22, 64)
    # Corrections and rate are those that it would be added with. Nothing is added, nothing stays.
    found = await client.probe_camera(
        "a.mp4", camera_id="lobby", frames_per_second=2, picture=Picture(rotate=0, color="full")
    )
    assert found.picture is not None
    assert (found.picture.width, found.picture.rotate) == (192, 0)
    assert found.picture.color == "bt601-full"
    assert (found.frames_per_second, found.thumbnail) == (2.0, b"")
    assert await client.list_cameras() == []
    assert redis_client.keys("hermes:probe*") == []


async def test_a_file_with_one_key_frame_says_at_least(
    decoder: DecoderService, client: AsyncHermesClient
) -> None:
    painted.write(decoder.media / "a.mp4", [painted.quarters()] * 30)
    found = await client.probe_camera("a.mp4")
    assert found.key_frame_interval_s == pytest.approx(2.9)
    assert found.key_frame_interval_open


async def test_a_live_camera_is_described(
    decoder: DecoderService, client: AsyncHermesClient, rtsp: Callable[..., RtspServer]
) -> None:
    server = rtsp("user:hunter2")
    began_s = time.monotonic()
    found = await client.probe_camera(server.url("user:hunter2"), thumbnail=True)
    assert time.monotonic() - began_s < MOST_S
    assert found.error == ""
    assert found.picture is not None
    assert found.picture.codec == "h264"
    assert found.key_frame_interval_s is not None
    assert found.length_s is None
    assert found.thumbnail.startswith(b"\xff\xd8")
    found = await client.probe_camera(server.url("user:hunter3"))
    assert (found.error, found.picture) == ("auth", None)
    assert "hunter" not in repr(found) + decoder.output()


async def test_what_is_wrong_is_named(decoder: DecoderService, client: AsyncHermesClient) -> None:
    (decoder.media / "a.txt.mp4").write_text("no video")
    port = free_port()
    for url, error in (
        ("a.txt.mp4", "codec"),
        ("gone.mp4", "not_found"),
        (f"rtsp://user:hunter2@127.0.0.1:{port}/a?token=hunter2", "refused"),
        (f"http://user:hunter2@127.0.0.1:{port}/a.m3u8", "refused"),
    ):
        began_s = time.monotonic()
        found = await client.probe_camera(url)
        assert time.monotonic() - began_s < MOST_S
        assert (found.error, found.picture, found.thumbnail) == (error, None, b"")
        assert found.error_message
        assert "hunter2" not in repr(found) + decoder.output()
    with pytest.raises(InvalidInput, match="outside"):
        await client.probe_camera("../a.mp4")


@pytest.mark.slow
async def test_a_silent_server_costs_less_than_ten_seconds(
    decoder: DecoderService, client: AsyncHermesClient
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        for scheme in ("rtsp", "http"):
            began_s = time.monotonic()
            found = await client.probe_camera(f"{scheme}://127.0.0.1:{server.getsockname()[1]}/a")
            assert time.monotonic() - began_s < MOST_S
            assert found.error == "timeout"


async def test_jobs_that_are_too_late_or_mean_nothing_are_left_out(
    decoder: DecoderService, client: AsyncHermesClient, redis_client: redis.Redis
) -> None:
    video.write(decoder.media / "a.mp4", 10)
    late = ProbeJob(id="late", camera=Camera(id="a", url="a.mp4"), deadline_ms=1)
    redis_client.rpush(keys.PROBES, b"\xff", late.SerializeToString())
    assert (await client.probe_camera("a.mp4")).error == ""
    assert not redis_client.exists(keys.probe_answer("late"))


async def test_without_a_decoder_there_is_no_probe(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    async with (
        running_gateway(redis_url, media_root=tmp_path) as gateway,
        AsyncHermesClient(f"127.0.0.1:{gateway.port}") as client,
    ):
        with pytest.raises(Unavailable, match="no decoder is running"):
            await client.probe_camera("a.mp4")
