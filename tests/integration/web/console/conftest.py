"""A browser, a door, a gateway that wants tokens, and cameras with pictures: once for a module."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
import redis
from playwright.async_api import Browser

from hermes.v1.camera_pb2 import SOURCE_ERROR_REFUSED
from hermes.v1.event_pb2 import Event
from services.common.event_log import RedisEventLog
from services.query_gateway.gateway import Gateway
from services.web.door import Door
from tests.support.browser import Visit, running_browser, visit
from tests.support.doors import running_door
from tests.support.event_messages import opened
from tests.support.fake_worker import FakeWorker
from tests.support.gateway import running_gateway
from tests.support.shown_cameras import announce, jpeg_of, pictures, show
from tests.support.tokens import write_tokens

SCOPES = {
    "root": "ask:* read:* admin:* watch:* ack:*",
    "pair": "ask:lobby ask:dock read:lobby read:dock",
}
LONG_NAME = "Feuerwehrzufahrtsüberwachungskamera Nordost"


@dataclass
class Fleet:
    """What the tests of a module share."""

    redis: redis.Redis
    worker: FakeWorker
    gateway: Gateway
    door: Door
    browser: Browser
    tokens: dict[str, str]

    @property
    def url(self) -> str:
        return f"http://{self.door.address}"

    def tell(self, event_id: str, watch_id: str = "door") -> Event:
        """A worker says that an event has begun."""
        event = opened(event_id, "lobby", watch_id)
        event.opened.FromMilliseconds(int(time.time() * 1000) - 2000)
        event.evidence[0].picture = jpeg_of(3)
        RedisEventLog(self.redis).append(event)
        return event


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fleet]:
    async with running_browser() as browser:
        folder: Path = tmp_path_factory.mktemp("console")
        tokens = write_tokens(folder / "tokens.yaml", **SCOPES)
        client = redis.Redis.from_url(redis_url)
        client.flushdb()
        worker = FakeWorker()
        await worker.start()
        worker.frames = pictures(int(time.time() * 1000))
        announce(client)
        show(client, "lobby", worker.address, labels={"site": "main"}, name="Main lobby")
        show(client, "dock", worker.address, labels={"site": "dock"})
        show(client, "gate", worker.address, fault=SOURCE_ERROR_REFUSED, name=LONG_NAME)
        async with (
            running_gateway(
                redis_url,
                tokens_file=folder / "tokens.yaml",
                caller_calls_per_second=10_000,
                caller_burst=10_000,
            ) as gateway,
            running_door(gateway.port) as door,
        ):
            yield Fleet(client, worker, gateway, door, browser, tokens)
        await worker.stop()
        client.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def window(fleet: Fleet) -> AsyncIterator[Visit]:
    """A window that is signed in, and may do everything: one for all tests of a module."""
    async with visit(fleet.browser, fleet.url, fleet.tokens["root"]) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def seen(window: Visit) -> AsyncIterator[Visit]:
    """The same, and what a test did in it has gone well."""
    yield window
    window.check()
