"""Redis goes away and comes back."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
import redis
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hermes import errors
from hermes.client import AsyncHermesClient
from services.cli import redis_server
from services.query_gateway.gateway import CAMERA_SERVICE, QUERY_SERVICE, Gateway
from tests.support.fake_worker import End, FakeWorker, Say
from tests.support.gateway import own, register, running_gateway

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def health(gateway: Gateway, service: str = "") -> Any:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service=service)
        return (await stub.Check(request, timeout=2)).status


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 8.0) -> None:
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def refused(*calls: Callable[[], Awaitable[Any]]) -> None:
    """Every call fails with `Unavailable`, and soon."""

    async def one(call: Callable[[], Awaitable[Any]]) -> None:
        started = time.monotonic()
        with pytest.raises(errors.Unavailable) as caught:
            await call()
        assert caught.value.retry_after_s == 1.0
        assert time.monotonic() - started < 3

    await asyncio.gather(*map(one, calls))


def reads(client: AsyncHermesClient) -> list[Callable[[], Awaitable[Any]]]:
    return [
        lambda: client.ask("lobby", "what?").result(),
        lambda: client.get_camera("lobby"),
        lambda: client.list_cameras(),
    ]


def writes(client: AsyncHermesClient) -> list[Callable[[], Awaitable[Any]]]:
    return [
        lambda: client.add_camera("dock", "rtsp://dock/live"),
        lambda: client.remove_camera("lobby"),
    ]


async def test_killed_and_started_again(
    own_redis: redis_server.LocalRedis, worker: FakeWorker, tmp_path: Path
) -> None:
    assert own_redis.process is not None
    with redis.Redis.from_url(own_redis.url) as direct:
        register(direct, "lobby")
        own(direct, "lobby", worker.address)
    async with (
        running_gateway(own_redis.url) as gateway,
        AsyncHermesClient(f"127.0.0.1:{gateway.port}") as client,
    ):
        assert (await client.ask("lobby", "what?").result()).text == "a red car"
        for service in ("", CAMERA_SERVICE, QUERY_SERVICE):
            assert await health(gateway, service) == SERVING

        own_redis.process.kill()
        own_redis.process.wait()
        await refused(*reads(client), *writes(client))

        async def not_serving() -> bool:
            return bool(await health(gateway, QUERY_SERVICE) == NOT_SERVING)

        await until(not_serving)
        assert await health(gateway) == NOT_SERVING
        assert gateway.metrics.registry.get_sample_value("hermes_ready") == 0

        port = int(own_redis.url.rsplit(":", 1)[1].split("/")[0])
        again = redis_server.start(tmp_path / "again", port=port)
        try:
            with redis.Redis.from_url(again.url) as direct:
                register(direct, "lobby")
                own(direct, "lobby", worker.address)

            async def serving() -> bool:
                return bool(await health(gateway, QUERY_SERVICE) == SERVING)

            await until(serving)
            assert gateway.metrics.registry.get_sample_value("hermes_ready") == 1
            assert (await client.ask("lobby", "what?").result()).text == "a red car"
        finally:
            again.stop()


async def test_a_redis_that_hangs(own_redis: redis_server.LocalRedis, worker: FakeWorker) -> None:
    assert own_redis.process is not None
    ids = [f"camera-{n}" for n in range(20)]
    with redis.Redis.from_url(own_redis.url) as direct:
        for camera_id in ("lobby", *ids):
            register(direct, camera_id)
        own(direct, "lobby", worker.address)
    async with (
        running_gateway(own_redis.url) as gateway,
        AsyncHermesClient(f"127.0.0.1:{gateway.port}") as client,
    ):
        assert len(await client.list_cameras()) == 21
        own_redis.process.send_signal(signal.SIGSTOP)
        try:
            await refused(*reads(client))
        finally:
            own_redis.process.send_signal(signal.SIGCONT)
        # No connection was left with an unread reply that another call would read.
        cameras = await asyncio.gather(*map(client.get_camera, ids))
        assert [camera.id for camera in cameras] == ids
        assert (await client.ask("lobby", "what?").result()).text == "a red car"


async def test_a_running_answer_outlives_redis(
    own_redis: redis_server.LocalRedis, worker: FakeWorker
) -> None:
    """Only finding the owner needs Redis; an open answer is not affected."""
    assert own_redis.process is not None
    worker.scripts = [[Say("a "), Say("red ", 0.3), Say("car", 0.1), End()]]
    with redis.Redis.from_url(own_redis.url) as direct:
        register(direct, "lobby")
        own(direct, "lobby", worker.address)
    async with (
        running_gateway(own_redis.url) as gateway,
        AsyncHermesClient(f"127.0.0.1:{gateway.port}") as client,
    ):
        stream = client.ask("lobby", "what?")
        assert await anext(stream) == "a "
        own_redis.process.kill()
        assert (await stream.result()).text == "a red car"
