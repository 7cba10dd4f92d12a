"""A thousand followers of events at one door: what each costs, and that all hear everything."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil
import pytest
import redis

from services.cli import redis_server
from services.common.event_log import RedisEventLog
from tests.support.event_messages import opened
from tests.support.fake_worker import HELLO, FakeWorker
from tests.support.gateway import own, register, running_gateway
from tests.support.waiting import eventually

FOLLOWERS = 1000
DEAF = 500
"""So many of them never read what they are sent."""
EVENTS = 10
QUIET_S = 6.0
PING_S = 2.0
MOST_KIB_EACH = 300
MOST_CPU_QUIET = 0.5
"""Of a core, with a comment to each of the thousand every two seconds."""
STARTED_S = 60.0


@dataclass(frozen=True, slots=True)
class DoorProcess:
    """A door in a process of its own, and the port at which it looks for a gateway."""

    address: str
    gateway_port: int
    process: psutil.Process

    @property
    def kib(self) -> int:
        """Its memory."""
        return int(self.process.memory_info().rss) // 1024

    @property
    def cpu_s(self) -> float:
        """What it has computed."""
        used = self.process.cpu_times()
        return used.user + used.system


@pytest.fixture
def door(tmp_path: Path) -> Iterator[DoorProcess]:
    announced, port = tmp_path / "door.json", redis_server.free_port()
    settings = {
        "HERMES_GATEWAY": f"127.0.0.1:{port}",
        "HERMES_LISTEN": "127.0.0.1:0",
        "HERMES_METRICS_PORT": "0",
        "HERMES_ANNOUNCE": str(announced),
        "HERMES_PING_S": str(PING_S),
        "HERMES_DRAIN_GRACE_S": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "services.web.main"], env={**os.environ, **settings}
    )
    try:
        eventually(announced.exists, STARTED_S, "the door serves")
        address = json.loads(announced.read_text())["address"]
        yield DoorProcess(address, port, psutil.Process(process.pid))
    finally:
        process.terminate()
        assert process.wait(30) == 0


async def follow(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Begin to follow all events."""
    host, _, port = address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 14)
    head = "GET /api/v1/events HTTP/1.1", f"Host: {address}", "Accept: text/event-stream"
    writer.write("\r\n".join([*head, "", ""]).encode())
    assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def heard(reader: asyncio.StreamReader) -> None:
    """Return once all events have come."""
    missing = EVENTS
    while missing:
        line = await reader.readline()
        assert line, "the stream ended"
        missing -= line.startswith(b"event: opened")


async def answered(http: httpx2.AsyncClient) -> float:
    """The seconds that an answer takes."""
    began = time.monotonic()
    answer = await http.post("/api/v1/ask", json={"question": "What?", "camera": "lobby"})
    assert answer.json()["text"] == "a red car"
    return time.monotonic() - began


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_all_hear_everything_and_each_costs_little(
    redis_url: str, redis_client: redis.Redis, door: DoorProcess
) -> None:
    worker = FakeWorker(HELLO)
    await worker.start()
    register(redis_client, "lobby")
    own(redis_client, "lobby", worker.address, ttl_s=600)
    followers = []
    async with (
        running_gateway(redis_url, listen=f"127.0.0.1:{door.gateway_port}"),
        httpx2.AsyncClient(base_url=f"http://{door.address}", timeout=60) as http,
    ):
        await answered(http)
        before = door.kib
        for _ in range(FOLLOWERS // 50):
            followers += await asyncio.gather(*(follow(door.address) for _ in range(50)))
        each = (door.kib - before) / FOLLOWERS
        quiet = door.cpu_s
        await asyncio.sleep(QUIET_S)
        quiet = (door.cpu_s - quiet) / QUIET_S
        busy, began = door.cpu_s, time.monotonic()
        for number in range(EVENTS):
            RedisEventLog(redis_client).append(opened(f"e-{number}"))
        listening = [asyncio.ensure_future(heard(reader)) for reader, _ in followers[DEAF:]]
        answer_s = await answered(http)
        await asyncio.gather(*listening)
        all_heard_s, busy = time.monotonic() - began, door.cpu_s - busy
        for _, writer in followers:
            writer.close()
    await worker.stop()
    print(
        f"{FOLLOWERS} followers: {each:.0f} KiB each, {quiet:.2f} of a core while nothing happens"
        f" (a comment each every {PING_S:g} s); {EVENTS} events reached {FOLLOWERS - DEAF} of them"
        f" in {all_heard_s:.2f} s, {busy:.2f} s of CPU; an answer meanwhile {answer_s:.2f} s"
    )
    assert each < MOST_KIB_EACH
    assert quiet < MOST_CPU_QUIET
