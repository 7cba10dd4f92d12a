"""What goes wrong, for as long as a context manager lasts."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import redis
import torch

from hermes.engine import Batch, Engine, EngineConfig, FrameInput
from hermes.memory import FrameStamp
from services.common import keys
from services.common.heartbeats import Heartbeats
from services.common.http import StatusServer
from services.common.leases import Leases
from services.common.metrics import Metrics
from services.common.status_writer import StatusWriter
from services.hermes_worker.observer import EngineMetrics
from services.hermes_worker.reporter import Reporter
from services.hermes_worker.tenures import Tenures
from tests.support import tiny
from tests.unit.vlm.test_together import Limited

GIB = 1 << 30


@contextmanager
def again_and_again(step: Callable[[], object], every_s: float) -> Iterator[None]:
    """Do something on a thread, until the end. Its fault is raised there."""
    stop, faults = threading.Event(), list[Exception]()

    def run() -> None:
        try:
            while not stop.wait(every_s):
                step()
        except Exception as error:
            faults.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if faults:
        raise faults[0]


@contextmanager
def slowed(processes: Sequence[subprocess.Popen[bytes]], share: float) -> Iterator[None]:
    """Processes run for a share of each second, as on a machine that is far too small."""

    def second() -> None:
        for process in processes:
            process.send_signal(signal.SIGCONT)
        time.sleep(share)
        for process in processes:
            process.send_signal(signal.SIGSTOP)

    try:
        with again_and_again(second, 1.0 - share):
            yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)


@contextmanager
def unwritable(store: Path) -> Iterator[None]:
    """A folder is away, and a file has its name. Not a matter of rights: root has them all."""
    away = store.with_suffix(".away")
    store.rename(away)
    store.touch()
    try:
        yield
    finally:
        store.unlink()
        away.rename(store)


def damaged_chunks(client: redis.Redis, camera_id: str, every_s: float) -> Any:
    """Entries of a camera's log that are no chunks, between those of its decoder."""
    return again_and_again(
        lambda: client.xadd(keys.frames(camera_id), {"c": b"\xff no chunk"}), every_s
    )


class FullGpu:
    """Stands in for a worker on a GPU that has no room left, which cannot be had on a CPU.

    What the device says is made up: 79 of 80 GiB are in use, and a pass over more
    than one frame finds no room. From there on it is the worker's own code: its reporter, its
    engine with the tiny model, its metrics port. A context manager.
    """

    def __init__(self, client: redis.Redis) -> None:
        self.metrics = Metrics()
        self._status = StatusServer("127.0.0.1", 0, self.metrics, lambda: (True, "serving"))
        self.port = self._status.port
        model: Any = Limited(most_tokens=tiny.model().layout.tokens)
        config = EngineConfig(budget_tokens=320, compress_every_frames=4, slice_s=1.0)
        self._engine = Engine(model, config, EngineMetrics(self.metrics))
        shape = SimpleNamespace(device=torch.device("cuda", 0), layers=model.shape.layers)
        gpu: Any = SimpleNamespace(model=SimpleNamespace(shape=shape))
        leases = Leases(client, "worker", "full-gpu", "")
        reporter = Reporter(gpu, Tenures(gpu), self.metrics)
        self._reporter = StatusWriter(reporter.read, leases, self.metrics, Heartbeats())
        self._says = mock.patch.multiple(
            torch.cuda,
            mem_get_info=lambda device: (GIB, 80 * GIB),
            memory_allocated=lambda device: 79 * GIB,
            memory_reserved=lambda device: 79 * GIB,
            max_memory_allocated=lambda device: 79 * GIB,
        )

    def __enter__(self) -> FullGpu:
        self._says.start()
        self._status.start()
        self._reporter.start()
        self._engine.start()
        self._lobby = self._engine.open("lobby")
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.stop()
        self._reporter.stop()
        self._status.stop()
        self._says.stop()

    def frames(self) -> None:
        """Eight frames at once."""
        now_ms = int(time.time() * 1000)
        pictures = enumerate(tiny.pictures(8))
        frames = [FrameInput(picture, FrameStamp(now_ms + n)) for n, picture in pictures]
        if self._lobby.room() >= len(frames):
            self._lobby.offer(Batch(frames, f"{now_ms}"))
