"""Redis forgot a camera: the gateway answers UNAVAILABLE, never NOT_FOUND."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis

from hermes import errors
from hermes.client import AsyncHermesClient
from hermes.v1.camera_pb2 import Camera
from services.common import keys
from services.query_gateway import known_cameras
from services.query_gateway.gateway import Gateway
from tests.support.gateway import own, running_gateway
from tests.support.holder import Instance


@pytest.fixture
async def gateway(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> AsyncIterator[Gateway]:
    async with running_gateway(redis_url, media_root=tmp_path) as gateway:
        yield gateway


async def all_of_it_is_unavailable(client: AsyncHermesClient) -> None:
    with pytest.raises(errors.Unavailable) as caught:
        await client.get_camera("lobby")
    assert caught.value.retry_after_s
    with pytest.raises(errors.Unavailable):
        await client.list_cameras()
    with pytest.raises(errors.Unavailable):
        async for _ in client.ask("lobby", "What now?"):
            pass
    with pytest.raises(errors.Unavailable):
        await client.add_camera("lobby", "rtsp://another/live")


@pytest.mark.parametrize("what", ["the registry", "one camera", "everything"])
async def test_a_forgotten_camera_is_unavailable_until_it_is_put_back(
    gateway: Gateway, client: AsyncHermesClient, redis_client: redis.Redis, what: str
) -> None:
    for camera_id in ("lobby", "dock"):
        await client.add_camera(camera_id, "rtsp://camera/live")
    worker = Instance(redis_client, "worker-1")
    worker.ownership.tick()
    if what == "everything":
        redis_client.flushdb()
    elif what == "the registry":
        redis_client.delete(keys.CAMERAS)
    else:
        redis_client.hdel(keys.CAMERAS, "lobby")
    await all_of_it_is_unavailable(client)
    await asyncio.sleep(1.2)  # the gateway has looked at the registry since
    await all_of_it_is_unavailable(client)
    worker.ownership.tick()
    assert {camera.id for camera in await client.list_cameras()} == {"lobby", "dock"}
    assert not any("lost" in call or "removed" in call for call in worker.holder.calls)
    with pytest.raises(errors.CameraNotFound):
        await client.get_camera("nobody")


async def test_a_gateway_that_never_saw_the_camera_finds_its_traces(
    gateway: Gateway, client: AsyncHermesClient, redis_client: redis.Redis
) -> None:
    own(redis_client, "lobby", "w1:1")
    with pytest.raises(errors.Unavailable):
        await client.get_camera("lobby")
    assert await client.list_cameras() == []


async def test_a_forgotten_camera_can_be_removed(
    gateway: Gateway, client: AsyncHermesClient, redis_client: redis.Redis
) -> None:
    await client.add_camera("lobby", "rtsp://camera/live")
    worker = Instance(redis_client, "worker-1")
    worker.ownership.tick()
    redis_client.delete(keys.CAMERAS)
    await client.remove_camera("lobby")
    worker.ownership.tick()
    assert worker.holder.calls == ["gained lobby", "lost lobby", "removed lobby"]
    assert await client.list_cameras() == []
    with pytest.raises(errors.CameraNotFound):
        await client.get_camera("lobby")


async def test_a_camera_added_after_a_removal_is_the_newer_one(
    gateway: Gateway, client: AsyncHermesClient, redis_client: redis.Redis
) -> None:
    """Whatever the clock of the gateway that adds it."""
    redis_client.set(keys.removed("lobby"), 4 * 10**18)
    await client.add_camera("lobby", "rtsp://camera/live")
    raw = redis_client.hget(keys.CAMERAS, "lobby")
    assert isinstance(raw, bytes)
    assert Camera.FromString(raw).created.ToNanoseconds() > 4 * 10**18


async def test_another_gateway_removes_it(
    gateway: Gateway,
    client: AsyncHermesClient,
    redis_url: str,
    redis_client: redis.Redis,
) -> None:
    await client.add_camera("lobby", "rtsp://camera/live")
    async with (
        running_gateway(redis_url) as second,
        AsyncHermesClient(f"127.0.0.1:{second.port}") as other,
    ):
        await other.remove_camera("lobby")
        assert await client.list_cameras() == []
        with pytest.raises(errors.CameraNotFound):
            await client.get_camera("lobby")


async def test_a_camera_that_is_never_put_back_is_finally_not_found(
    gateway: Gateway,
    client: AsyncHermesClient,
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await client.add_camera("lobby", "rtsp://camera/live")
    redis_client.flushdb()
    with pytest.raises(errors.Unavailable):
        await client.list_cameras()
    monkeypatch.setattr(known_cameras, "PUT_BACK_S", 0.1)
    await asyncio.sleep(1.5)
    assert await client.list_cameras() == []
    with pytest.raises(errors.CameraNotFound):
        await client.get_camera("lobby")


async def test_a_camera_is_removed_from_a_redis_that_is_full(
    gateway: Gateway, client: AsyncHermesClient, redis_client: redis.Redis
) -> None:
    await client.add_camera("lobby", "rtsp://camera/live")
    redis_client.xadd(keys.frames("lobby"), {"c": b"x" * (4 << 20)})
    used = redis_client.info("memory")["used_memory"]
    redis_client.config_set("maxmemory", used - (1 << 20))
    try:
        with pytest.raises(redis.OutOfMemoryError):
            redis_client.set("more", "x")
        await client.remove_camera("lobby")
    finally:
        redis_client.config_set("maxmemory", 0)
    assert redis_client.exists(keys.removed("lobby"))
