"""Cameras come and go: nothing is left of them."""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import redis
from prometheus_client import CollectorRegistry, generate_latest

from hermes.v1.camera_pb2 import PACING_LIVE, SOURCE_STATE_ONLINE, Camera
from services.common.leases import Fence, Lease
from services.common.metrics import Metrics
from services.decoder.settings import DecoderSettings
from services.decoder.supervisor import Supervisor
from tests.support import video
from tests.support.waiting import eventually

AT_ONCE = 10
SPARE_BYTES = 6 << 20
"""By so much the memory of a process may differ for other reasons."""


@dataclass(frozen=True)
class Held:
    """What this process and the processes below it hold."""

    descriptors: int
    threads: int
    processes: int
    metrics: int
    own_bytes: int
    server_bytes: int
    server_descriptors: int


class Rig:
    def __init__(self, supervisor: Supervisor, registry: CollectorRegistry) -> None:
        self.supervisor = supervisor
        self.registry = registry
        self.me = psutil.Process()
        self.before = {process.pid for process in self.me.children(recursive=True)}

    def come_and_go(self, first: int) -> None:
        """Some cameras are added, come online, and are removed."""
        ids = [f"camera-{number}" for number in range(first, first + AT_ONCE)]
        for camera_id in ids:
            camera = Camera(id=camera_id, url="clip.mp4", pacing=PACING_LIVE, loop=True)
            self.supervisor.gained(camera, Lease(camera_id, "decoder", Fence("me", 1)))
        eventually(lambda: self.online() == len(ids), 30.0, "every camera is online")
        for camera_id in ids:
            self.supervisor.lost(camera_id)
        eventually(lambda: not self.supervisor.statuses(), name="none is left")
        eventually(lambda: len(self.below()) <= 2, 10.0, "their processes are gone")

    def online(self) -> int:
        return sum(status.state == SOURCE_STATE_ONLINE for _, status in self.supervisor.statuses())

    def below(self) -> list[psutil.Process]:
        """The fork server and what tracks its resources, and cameras."""
        children = self.me.children(recursive=True)
        return [process for process in children if process.pid not in self.before]

    def held(self) -> Held:
        multiprocessing.active_children()  # lets go of those that were still dying when closed
        gc.collect()
        server = max(self.below(), key=lambda process: process.memory_info().rss)
        return Held(
            self.me.num_fds(),
            self.me.num_threads(),
            len(self.below()),
            len(generate_latest(self.registry)),
            self.me.memory_info().rss,
            server.memory_info().rss,
            server.num_fds(),
        )


@pytest.fixture
def rig(redis_url: str, redis_client: redis.Redis, tmp_path: Path) -> Iterator[Rig]:
    video.write(tmp_path / "clip.mp4", 20, rate=10)
    registry = CollectorRegistry()
    settings = DecoderSettings(
        redis_url=redis_url, media_root=tmp_path, frame_size="64", capacity=4096
    )
    supervisor = Supervisor(settings, Metrics(registry))
    rig = Rig(supervisor, registry)
    supervisor.start()
    yield rig
    supervisor.stop()


@pytest.mark.parametrize(
    "cameras",
    [10, pytest.param(500, marks=[pytest.mark.slow, pytest.mark.timeout(600)])],
)
def test_nothing_grows(rig: Rig, cameras: int) -> None:
    rig.come_and_go(0)  # what is made once
    before = rig.held()
    for first in range(AT_ONCE, AT_ONCE + cameras, AT_ONCE):
        rig.come_and_go(first)
    after = rig.held()
    print(f"{cameras} cameras: {before} -> {after}")
    assert after.descriptors <= before.descriptors + 2
    assert after.threads <= before.threads
    assert after.processes <= before.processes
    assert after.metrics <= before.metrics + 200
    assert after.own_bytes <= before.own_bytes + SPARE_BYTES
    assert after.server_bytes <= before.server_bytes + SPARE_BYTES
    assert after.server_descriptors <= before.server_descriptors
