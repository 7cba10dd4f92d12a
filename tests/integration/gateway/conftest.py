"""A gateway, a scripted worker, and a camera that the worker owns."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import redis

from hermes.client import AsyncHermesClient
from services.query_gateway.gateway import Gateway
from tests.support.fake_worker import FakeWorker
from tests.support.gateway import own, register, running_gateway


@pytest.fixture
async def worker() -> AsyncIterator[FakeWorker]:
    worker = FakeWorker()
    await worker.start()
    yield worker
    await worker.stop()


@pytest.fixture
async def gateway(redis_url: str, redis_client: redis.Redis) -> AsyncIterator[Gateway]:
    async with running_gateway(redis_url) as gateway:
        yield gateway


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[AsyncHermesClient]:
    async with AsyncHermesClient(f"127.0.0.1:{gateway.port}") as client:
        yield client


@pytest.fixture
def lobby(redis_client: redis.Redis, worker: FakeWorker) -> str:
    """A camera that the worker owns."""
    register(redis_client, "lobby")
    own(redis_client, "lobby", worker.address)
    return "lobby"
