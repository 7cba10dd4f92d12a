"""A gateway that wants tokens, a scripted worker, two cameras, and a door: once for a module."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
import redis
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from hermes.v1.event_pb2 import Event
from services.common import keys
from services.common.event_log import RedisEventLog
from services.common.placement import Member
from services.query_gateway.gateway import Gateway
from services.web.door import Door
from tests.support.doors import running_door
from tests.support.event_messages import opened
from tests.support.fake_worker import FakeWorker
from tests.support.gateway import own, register, running_gateway
from tests.support.tokens import write_tokens

SCOPES = {
    "root": "ask:* read:* admin:* watch:* ack:*",
    "guest": "ask:lobby read:lobby",
    "pair": "ask:lobby ask:dock read:lobby read:dock watch:lobby watch:dock ack:lobby ack:dock",
}


@dataclass
class World:
    """What the tests of a module share."""

    redis: redis.Redis
    worker: FakeWorker
    gateway: Gateway
    door: Door
    tokens: dict[str, str]

    @property
    def url(self) -> str:
        return f"http://{self.door.address}"

    def tell(self) -> Event:
        """A worker says that an event has begun."""
        event = opened("ev-1", "lobby", "door")
        RedisEventLog(self.redis).append(event)
        return event

    def announce(self) -> None:
        """The worker is there, and may merge answers."""
        seconds, _ = self.redis.time()
        member = Member("worker-1", self.worker.address, "cpu", 64, 1, seconds * 1000)
        self.redis.hset(keys.members("worker"), "worker-1", member.to_json())

    def bearer(self, name: str = "root") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[name]}"}


@asynccontextmanager
async def agent(world: World, name: str = "root") -> AsyncIterator[Client]:
    """A client of MCP over streamable HTTP, with this token."""
    async with httpx2.AsyncClient(headers=world.bearer(name)) as http:
        transport = streamable_http_client(f"{world.url}/mcp", http_client=http)
        async with Client(transport) as client:
            yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder: Path = tmp_path_factory.mktemp("door")
    tokens = write_tokens(folder / "tokens.yaml", **SCOPES)
    client = redis.Redis.from_url(redis_url)
    client.flushdb()
    worker = FakeWorker()
    await worker.start()
    for camera_id in ("lobby", "dock"):
        register(client, camera_id)
        own(client, camera_id, worker.address, ttl_s=600)
    async with (
        running_gateway(
            redis_url,
            tokens_file=folder / "tokens.yaml",
            caller_calls_per_second=10_000,
            caller_burst=10_000,
        ) as gateway,
        running_door(gateway.port) as door,
    ):
        yield World(client, worker, gateway, door, tokens)
    await worker.stop()
    client.close()
