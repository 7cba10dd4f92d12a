"""Real workers for tests: started, fed by a stand-in for a decoder, and asked over gRPC."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import redis

from hermes.contents import MemoryContents
from hermes.contents_message import contents_of
from hermes.errors import (
    HermesError,
)
from hermes.statuses import error_of
from hermes.v1 import query_pb2, worker_pb2
from hermes.v1.camera_pb2 import Camera
from hermes.v1.query_pb2 import Complete
from hermes.v1.worker_pb2_grpc import WorkerServiceStub
from services.common import keys
from services.common.frame_log import RedisFrameLog
from services.common.leases import Leases
from services.hermes_worker.settings import WorkerSettings
from services.hermes_worker.worker import Worker
from tests.support import tiny
from tests.support.chunks import chunk


class Feeder:
    """Stands in for a decoder: holds the lease, appends chunks."""

    def __init__(self, client: redis.Redis, camera_id: str) -> None:
        self.camera_id = camera_id
        camera = Camera(id=camera_id, url="rtsp://host/1")
        camera.created.GetCurrentTime()
        client.hset(keys.CAMERAS, camera_id, camera.SerializeToString())
        lease = Leases(client, "decoder", "feeder", "").acquire(camera_id, ttl_s=600)
        assert lease is not None
        self._lease = lease
        self._log = RedisFrameLog(client)
        self.index = 0
        self._last_ms = 0

    def push(
        self, frames: int = 1, *, first_ms: int | None = None, pictures: Sequence[bytes] = ()
    ) -> str:
        """Frames from now on, or from `first_ms`: grey ones, or these JPEGs."""
        if first_ms is None:
            first_ms = max(int(time.time() * 1000), self._last_ms + 1)
        self._last_ms = first_ms + frames - 1
        made = chunk(
            self.camera_id, first_ms, frames, epoch=self._lease.epoch, index=self.index, step_ms=1
        )
        for frame, picture in zip(made.frames, pictures, strict=False):
            frame.jpeg = picture
        self.index += frames
        return str(self._log.append(made, self._lease.fence))


async def until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        await asyncio.sleep(0.02)


def memory_state(client: redis.Redis, camera_id: str) -> str:
    owner = client.hget(keys.lease(camera_id, "worker"), "state")
    assert owner is None or isinstance(owner, bytes)
    return (owner or b"").decode()


@asynccontextmanager
async def working(redis_url: str, kept: Path | None, **more: Any) -> AsyncIterator[Worker]:
    settings: dict[str, Any] = {
        "redis_url": redis_url,
        "listen": "127.0.0.1:0",
        "advertise": "127.0.0.1",
        "metrics_host": "127.0.0.1",
        "model": str(tiny.folder()),
        "device": "cpu",
        "threads": 1,
        "budget_tokens": 160,
        "compress_every_frames": 4,
        "max_cameras": 4,
        "max_answer_tokens": 4000,
        "checkpoint_url": "" if kept is None else str(kept),
        "checkpoint_every_s": 0.5,
        "drain_s": 6.0,
    }
    worker = Worker(WorkerSettings(**(settings | more)))
    await worker.start()
    try:
        yield worker
    finally:
        if worker._why_not_ready != "stopping":
            await worker.stop()


@asynccontextmanager
async def calling(worker: Worker) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{worker.port}") as channel:
        yield WorkerServiceStub(channel)  # type: ignore[no-untyped-call]


async def complete(worker: Worker, camera_id: str = "lobby") -> Complete:
    async with calling(worker) as stub:
        return (await answer(stub, asked(camera_id, max_tokens=4)))[1]


async def contents(worker: Worker, camera_id: str = "lobby") -> MemoryContents:
    async with calling(worker) as stub:
        request = worker_pb2.WorkerServiceInspectRequest(camera_id=camera_id)
        response = await stub.Inspect(request, timeout=20)
    return contents_of(response.contents)


def without_owner(seen: MemoryContents) -> MemoryContents:
    return replace(seen, epoch=0)


def checkpoint_id(client: redis.Redis, camera_id: str = "lobby") -> str:
    raw = client.hget(keys.checkpoint(camera_id), "id")
    assert raw is None or isinstance(raw, bytes)
    return (raw or b"").decode()


def outcome(worker: Worker, name: str, label: str) -> float:
    return worker.metrics.registry.get_sample_value(name, {"outcome": label}) or 0.0


def serving(client: redis.Redis, camera_id: str = "lobby") -> Callable[[], bool]:
    return lambda: memory_state(client, camera_id) == "serving"


def asked(camera_id: str, text: str = "What now?", epoch: int = 0, **more: Any) -> Any:
    question = query_pb2.Question(camera_id=camera_id, text=text, **more)
    return worker_pb2.WorkerServiceAskRequest(question=question, epoch=epoch)


async def answer(stub: Any, request: Any) -> tuple[list[str], query_pb2.Complete]:
    texts, complete = [], None
    async for response in stub.Ask(request, timeout=20):
        if response.WhichOneof("event") == "delta":
            assert complete is None
            texts.append(response.delta.text)
        else:
            complete = response.complete
    assert complete is not None
    return texts, complete


async def refused(stub: Any, request: Any) -> HermesError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for _ in stub.Ask(request, timeout=20):
            pass
    return error_of(caught.value, "the worker")
