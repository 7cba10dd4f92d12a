"""A gateway's /healthz fails when its event loop or one of its background tasks is stuck."""

from __future__ import annotations

import asyncio
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from services.common.heartbeats import Heartbeats
from services.query_gateway.access import token_file
from services.query_gateway.gateway import Gateway
from tests.support.gateway import settings
from tests.support.tokens import write_tokens


class Clock:
    """Real time, and what a test adds to it."""

    ahead_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead_s


def healthz(gateway: Gateway) -> tuple[int, dict[str, Any]]:
    url = f"http://127.0.0.1:{gateway.metrics_port}/healthz"
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@asynccontextmanager
async def gateway_with(redis_url: str, clock: Clock, **changes: Any) -> AsyncIterator[Gateway]:
    gateway = Gateway(settings(redis_url, **changes), heartbeats=Heartbeats(clock))
    await gateway.start()
    await gateway.ready.wait()
    try:
        yield gateway
    finally:
        await gateway.stop()


async def answers(gateway: Gateway, status: int, body: dict[str, Any]) -> None:
    async with asyncio.timeout(10):
        while await asyncio.to_thread(healthz, gateway) != (status, body):
            await asyncio.sleep(0.02)


async def test_a_blocked_event_loop_is_named(redis_url: str) -> None:
    clock = Clock()
    async with gateway_with(redis_url, clock) as gateway:
        await answers(gateway, 200, {"alive": True})
        clock.ahead_s += 30.0
        # This call itself blocks the loop; the answer comes from another thread.
        assert healthz(gateway) == (503, {"alive": False, "late": ["event-loop"]})
        await answers(gateway, 200, {"alive": True})


async def test_a_task_that_hangs_is_named_and_the_others_are_not(
    redis_url: str, tmp_path: Path, monkeypatch: Any
) -> None:
    """The file of tokens becomes a pipe without a writer: reading it never ends."""
    monkeypatch.setattr(token_file, "REREAD_EVERY_S", 0.02)
    path, clock = tmp_path / "tokens.yaml", Clock()
    write_tokens(path, desk="ask:lobby")
    tokens = path.read_bytes()
    async with gateway_with(redis_url, clock, tokens_file=path) as gateway:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        pipe.replace(path)
        await asyncio.sleep(0.1)
        clock.ahead_s += 90.0
        await answers(gateway, 503, {"alive": False, "late": ["tokens-file"]})
        with path.open("wb") as writer:
            path.unlink()
            path.write_bytes(tokens)
            writer.write(tokens)
        await answers(gateway, 200, {"alive": True})
