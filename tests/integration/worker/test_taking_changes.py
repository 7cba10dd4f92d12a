"""Workers that take in what changed: what they report, and what the next owner knows."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import redis
from PIL import Image

from hermes.v1.camera_pb2 import MemoryStatus
from services.common import camera_status, keys
from services.hermes_worker.checkpoints import Checkpoints
from services.hermes_worker.worker import Worker
from tests.support import tiny
from tests.support.workers import (
    Feeder,
    checkpoint_id,
    complete,
    contents,
    outcome,
    serving,
    until,
    without_owner,
    working,
)

TOKENS = 16
FRAMES = 40
FIRST_MS = 1_750_000_000_000
SETTINGS: dict[str, object] = {
    "ingest": "changes",
    "staleness_s": 1e9,
    "checkpoint_every_s": 600.0,
    "checkpoint_every_frames": 12,
    # So short that every frame has a pass of its own: in a pass that is shared, sums are rounded
    # otherwise, and one memory cannot be compared with another token by token.
    "slice_ms": 0.001,
}


def pictures() -> list[bytes]:
    """A still camera: something new in one corner of each frame, all of it new in the 20th."""
    random = np.random.default_rng(5)
    still, found = random.integers(0, 256, (112, 112, 3), dtype=np.uint8), []
    for number in range(FRAMES):
        if number == 20:
            still = random.integers(0, 256, (112, 112, 3), dtype=np.uint8)
        still = still.copy()
        still[:28, :28] = random.integers(0, 256, 3, dtype=np.uint8)
        buffer = BytesIO()
        Image.fromarray(still).save(buffer, "JPEG")
        found.append(buffer.getvalue())
    return found


PICTURES = pictures()


def push(feeder: Feeder, until_frame: int) -> str:
    """Up to this frame, with the same times for every camera."""
    for number in range(feeder.index, until_frame):
        last = feeder.push(first_ms=FIRST_MS + 500 * number, pictures=[PICTURES[number]])
    return last


def status_of(client: redis.Redis, camera_id: str = "lobby") -> MemoryStatus:
    fields = cast(dict[bytes, bytes], client.hgetall(keys.status(camera_id)))
    return camera_status.parse(fields)[1]


def counted(worker: Worker, kind: str, camera_id: str = "lobby") -> float | None:
    """Tokens that were `taken`, or `unchanged`."""
    labels = {"camera": camera_id, "outcome": kind}
    return worker.metrics.registry.get_sample_value("hermes_frame_tokens_total", labels)


async def test_status_and_metrics_say_how_much_was_new(
    redis_url: str, redis_client: redis.Redis
) -> None:
    async with working(redis_url, None, **SETTINGS) as worker:
        push(Feeder(redis_client, "lobby"), FRAMES)
        await until(serving(redis_client))
        assert (await complete(worker)).coverage.frames_seen == FRAMES
        taken, unchanged = (counted(worker, kind) for kind in ("taken", "unchanged"))
        assert taken is not None
        assert unchanged is not None
        assert taken + unchanged == FRAMES * TOKENS
        assert 2 * TOKENS <= taken < 0.4 * FRAMES * TOKENS
        await until(lambda: status_of(redis_client).coverage.frames_seen == FRAMES)
        status = status_of(redis_client)
        assert status.HasField("taken_ratio")
        assert 1 / TOKENS < status.taken_ratio < 0.5
        ratio = worker.metrics.registry.get_sample_value(
            "hermes_frame_taken_ratio", {"camera": "lobby"}
        )
        assert ratio == pytest.approx(status.taken_ratio)
        seen = await contents(worker)
        assert (
            sum(seen.taken.values())
            < len(seen.taken) * seen.frame_tokens
            == TOKENS * len(seen.taken)
        )


@asynccontextmanager
async def process(redis_url: str, kept: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker in a process of its own, which ends with `kill -9`."""
    settings = {
        "redis_url": redis_url,
        "listen": "127.0.0.1:0",
        "advertise": "127.0.0.1",
        "metrics_port": 0,
        "model": tiny.folder(),
        "device": "cpu",
        "threads": 1,
        "budget_tokens": 160,
        "compress_every_frames": 4,
        "max_answer_tokens": 4000,
        "checkpoint_url": kept,
        **SETTINGS,
    }
    made = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.hermes_worker.main",
        env=os.environ | {f"HERMES_{name.upper()}": str(value) for name, value in settings.items()},
    )
    try:
        yield made
    finally:
        if made.returncode is None:
            made.send_signal(signal.SIGKILL)
            await made.wait()


async def as_if_undisturbed(redis_url: str, client: redis.Redis, kept: Path, lobby: Feeder) -> None:
    """The next owner of the camera `lobby` comes to hold what a memory without a change of owner
    does.
    """
    async with working(redis_url, kept, **SETTINGS) as worker:
        await until(lambda: outcome(worker, "hermes_restores_total", "newest") == 1, 60)
        await until(serving(client), 60)
        push(lobby, FRAMES)
        push(Feeder(client, "undisturbed"), FRAMES)
        await until(serving(client, "undisturbed"), 60)
        answers = [await complete(worker, camera) for camera in ("lobby", "undisturbed")]
        assert [answer.coverage.frames_seen for answer in answers] == [FRAMES, FRAMES]
        assert answers[0].coverage == answers[1].coverage
        one, other = [
            replace(without_owner(await contents(worker, camera)), taken={})
            for camera in ("lobby", "undisturbed")
        ]
        assert one == other
        replayed = worker.metrics.registry.get_sample_value("hermes_replayed_frames_total")
        assert replayed is not None
        assert replayed > 0
        taken = counted(worker, "taken")
        whole = counted(worker, "taken", "undisturbed")
        assert taken is not None
        assert whole is not None
        assert taken < whole, "the rest came with the checkpoint"


def no_commit(*_: object) -> None:
    raise OSError("killed before it could commit")


async def test_a_takeover_from_a_checkpoint_and_the_log_gives_the_undisturbed_memory(
    redis_url: str, redis_client: redis.Redis, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lobby = Feeder(redis_client, "lobby")
    async with working(redis_url, kept, **SETTINGS) as worker:
        last = push(lobby, 12)
        await until(lambda: checkpoint_id(redis_client) == last)
        monkeypatch.setattr(Checkpoints, "commit", no_commit)
        push(lobby, 23)
        await until(serving(redis_client))
        assert (await complete(worker)).coverage.frames_seen == 23
    monkeypatch.undo()
    await as_if_undisturbed(redis_url, redis_client, kept, lobby)


@pytest.mark.slow  # a process that imports everything
async def test_a_killed_owner_leaves_the_undisturbed_memory(
    redis_url: str, redis_client: redis.Redis, kept: Path
) -> None:
    lobby = Feeder(redis_client, "lobby")
    async with process(redis_url, kept) as worker:
        last = push(lobby, 12)
        await until(lambda: checkpoint_id(redis_client) == last, 90)
        push(lobby, 23)
        await until(lambda: status_of(redis_client).coverage.frames_seen == 23, 60)
        worker.send_signal(signal.SIGKILL)
        await worker.wait()
    await as_if_undisturbed(redis_url, redis_client, kept, lobby)
