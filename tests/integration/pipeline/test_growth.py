"""A hundred cameras come and go on a running pipeline, and leave no trace."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis

from services.cli import redis_server
from services.cli.local import LocalSettings, start_services
from services.cli.processes import Pipeline
from services.common import keys
from tests.support import tiny
from tests.support.holder import traces
from tests.support.pipeline import Running
from tests.support.video import write

AT_A_TIME = 10
ROUNDS = 10
SERVICES = ("worker", "decoder", "gateway")
A_FEW = AT_A_TIME // 2
"""Threads and connections that libraries make when they first need one more."""
BACK_WITHIN_S = 15.0
"""Series that a thread made again after its camera was forgotten go at the next renewal."""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    if redis_server.find_binary() is None:
        pytest.skip("no redis-server binary to start and stop")
    write(tmp_path / "short.mp4", 4, rate=10)
    settings = LocalSettings(
        model=str(tiny.folder()),
        device="cpu",
        media_root=tmp_path,
        frame_size="112x112",
        budget_tokens=320,
        frames_per_second=10.0,
    )
    with pytest.MonkeyPatch.context() as patch, Pipeline(tmp_path) as pipeline:
        patch.delenv("REDIS_URL", raising=False)
        made = Running(pipeline, start_services(pipeline, settings, lambda text: None))
        yield made
        made.client.close()


def come_and_go(running: Running, names: list[str]) -> None:
    for name in names:
        running.client.add_camera(name, "short.mp4")
    for name in names:
        running.until(name, lambda c: c.memory.frames == 4 and c.memory.state == "serving")
    assert running.answer(names[0]) == 4
    for name in names:
        running.client.remove_camera(name)


def in_use(running: Running, client: redis.Redis) -> dict[str, object]:
    """What there is of everything that could pile up."""
    found: dict[str, object] = {"keys": sorted(traces(client, ""))}
    for name in SERVICES:
        process = psutil.Process(running.child(name).process.pid)
        children = process.children(recursive=True)
        found |= {
            f"{name} processes": len(children),
            f"{name} zombies": sum(c.status() == psutil.STATUS_ZOMBIE for c in children),
            f"{name} threads": process.num_threads(),
            f"{name} files": process.num_fds(),
            f"{name} files of its children": sum(c.num_fds() for c in children),
            f"{name} series of cameras": sorted(
                series for series in running.metrics(name) if re.search(r"[{,]camera=", series)
            ),
        }
    return found


def settled(running: Running, client: redis.Redis, at_most: dict[str, object]) -> dict[str, object]:
    """What is in use once it is no more than wanted, or time is up: what is too much."""
    deadline = time.monotonic() + BACK_WITHIN_S
    while True:
        too_much = {
            name: value
            for name, value in in_use(running, client).items()
            if _excess(value, at_most[name]) > (0 if isinstance(value, list) else A_FEW)
        }
        if not too_much or time.monotonic() > deadline:
            return too_much
        time.sleep(0.2)


def _excess(value: object, at_most: object) -> int:
    if isinstance(value, int) and isinstance(at_most, int):
        return value - at_most
    return int(value != at_most)


@pytest.mark.slow
def test_a_hundred_cameras_leave_no_trace(running: Running) -> None:
    assert running.pipeline.redis is not None
    client = redis.Redis.from_url(running.pipeline.redis.url)
    # The first ones start what is started once: pools of threads, connections, the fork server.
    come_and_go(running, [f"first-{n}" for n in range(AT_A_TIME)])
    deadline = time.monotonic() + BACK_WITHIN_S
    before = in_use(running, client)
    while time.monotonic() < deadline and "first-" in repr(before):
        time.sleep(0.2)
        before = in_use(running, client)
    assert "first-" not in repr(before)
    for number in range(ROUNDS):
        come_and_go(running, [f"camera-{number}-{n}" for n in range(AT_A_TIME)])
    assert settled(running, client, before) == {}
    assert client.hlen(keys.CAMERAS) == 0
