"""From log to engine: order, back-pressure, staleness, holes, damage."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import pytest

from hermes.engine import Batch, Engine, EngineConfig, SessionReport
from hermes.errors import Overloaded
from hermes.v1.camera_pb2 import Camera
from services.common.frame_log import InMemoryFrameLog, LogId
from services.common.leases import Fence, Lease
from services.common.metrics import Metrics
from services.hermes_worker.ingest import Ingest
from services.hermes_worker.memories import Memories
from tests.support.chunks import chunk

FENCE = Fence("decoder", 1)
NOW_S = 1_000.0


@dataclass
class FakeEngine:
    """Takes what there is room for, and reaches every cursor at once."""

    config: EngineConfig = field(default_factory=EngineConfig)
    batches: list[tuple[str, Batch]] = field(default_factory=list)
    full: bool = False
    opened: set[str] = field(default_factory=set)
    cursors: dict[str, str] = field(default_factory=dict)

    def open(self, camera_id: str) -> None:
        self.opened.add(camera_id)

    def close(self, camera_id: str) -> None:
        self.opened.discard(camera_id)

    def room(self, camera_id: str) -> int:
        return 0 if self.full else self.config.max_pending_frames

    def offer(self, camera_id: str, batch: Batch) -> None:
        if self.full:
            raise Overloaded("full")
        self.batches.append((camera_id, batch))
        self.cursors[camera_id] = batch.cursor

    def report(self, camera_id: str) -> SessionReport | None:
        return SessionReport(cursor=self.cursors.get(camera_id, ""))


class Rig:
    """A worker's ingest with everything around it faked."""

    def __init__(self) -> None:
        self.log = InMemoryFrameLog()
        self.engine = FakeEngine()
        self.metrics = Metrics()
        self.memories = Memories(cast(Engine, self.engine), self.metrics)
        self.ingest = Ingest(
            self.log,
            cast(Engine, self.engine),
            self.memories,
            self.metrics,
            staleness_s=10.0,
            wall_clock=lambda: NOW_S,
        )

    def gain(self, camera_id: str) -> None:
        self.log.set_fence(camera_id, FENCE)
        lease = Lease(camera_id, "worker", Fence("me", 7))
        self.memories.gained(Camera(id=camera_id), lease)

    def count(self, camera_id: str, outcome: str) -> float:
        labels = {"camera": camera_id, "outcome": outcome}
        return self.metrics.registry.get_sample_value("hermes_frames_total", labels) or 0.0

    def times(self, camera_id: str) -> list[int]:
        return [
            frame.stamp.capture_ms
            for camera, batch in self.engine.batches
            if camera == camera_id
            for frame in batch.frames
        ]


@pytest.fixture
def rig() -> Rig:
    made = Rig()
    made.gain("a")
    made.ingest.step(0.0)
    return made


def test_frames_arrive_once_and_in_order(rig: Rig) -> None:
    for index in range(6):
        rig.log.append(chunk("a", 999_000 + index * 100, index=index), FENCE)
    rig.ingest.step(0.0)
    rig.ingest.step(0.0)
    assert rig.times("a") == [999_000 + index * 100 for index in range(6)]
    rig.ingest.step(0.0)
    assert len(rig.times("a")) == 6


def test_what_there_is_no_room_for_stays_in_the_log(rig: Rig) -> None:
    rig.engine.full = True
    rig.log.append(chunk("a", 999_000), FENCE)
    rig.ingest.step(0.0)
    assert rig.times("a") == []
    rig.engine.full = False
    rig.ingest.step(0.0)
    assert rig.times("a") == [999_000]


def test_a_refused_batch_is_read_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.log.append(chunk("a", 999_000), FENCE)
    rig.log.append(chunk("a", 999_100, index=1), FENCE)
    monkeypatch.setattr(rig.engine, "room", lambda camera_id: 64)
    rig.engine.full = True
    rig.ingest.step(0.0)
    rig.engine.full = False
    rig.ingest.step(0.0)
    assert rig.times("a") == [999_000, 999_100]


def test_stale_live_frames_are_dropped_and_counted(rig: Rig) -> None:
    rig.log.append(chunk("a", 980_000, frames=3), FENCE)
    rig.log.append(chunk("a", 999_000, index=3), FENCE)
    rig.ingest.step(0.0)
    assert rig.times("a") == [999_000]
    assert rig.count("a", "dropped_stale") == 3
    (_, stale), (_, fresh) = rig.engine.batches
    assert (len(stale.frames), stale.cursor) == (0, "980200-0")
    assert not fresh.frames[0].replayed


def test_a_files_frames_are_never_stale(rig: Rig) -> None:
    rig.log.append(chunk("a", 100, frames=2, live=False), FENCE)
    rig.ingest.step(0.0)
    assert rig.times("a") == [100, 200]


def test_what_lay_in_the_log_at_takeover_is_replayed_whatever_its_age() -> None:
    rig = Rig()
    rig.log.set_fence("a", FENCE)
    rig.log.append(chunk("a", 100, frames=2), FENCE)
    rig.gain("a")
    rig.ingest.step(0.0)
    tracked = rig.memories.get("a")
    assert tracked is not None
    assert tracked.target == LogId(200)
    assert rig.memories.state("a") == "replaying"
    assert rig.times("a") == [100, 200]
    assert all(frame.replayed for _, batch in rig.engine.batches for frame in batch.frames)
    rig.ingest.step(0.0)
    assert rig.memories.state("a") == "serving"
    assert rig.metrics.registry.get_sample_value("hermes_replayed_frames_total") == 2


def test_an_empty_log_serves_at_once(rig: Rig) -> None:
    assert rig.memories.state("a") == "serving"


def test_holes_are_marked_and_trimmed_frames_counted(rig: Rig) -> None:
    rig.log.append(chunk("a", 999_000, frames=2), FENCE)
    rig.log.append(chunk("a", 999_500, index=9, dropped_before=3), FENCE)  # 7 missing, 3 dropped
    rig.log.append(chunk("a", 999_600, index=10), FENCE)
    rig.log.append(chunk("a", 999_700, index=0, epoch=2, discontinuity=True), FENCE)
    rig.ingest.step(0.0)
    marks = [frame.after_gap for _, batch in rig.engine.batches for frame in batch.frames]
    assert marks == [False, False, True, False, True]
    assert rig.count("a", "trimmed") == 4


def test_damage_is_counted_and_skipped(rig: Rig) -> None:
    rig.log.put_raw("a", LogId(999_000), b"\xff\xff\xff not a chunk")
    damaged = chunk("a", 999_100, frames=2)
    damaged.frames[0].jpeg = b"no picture"
    rig.log.append(damaged, FENCE)
    rig.ingest.step(0.0)
    assert rig.times("a") == [999_200]
    assert rig.count("a", "decode_error") == 2
    assert rig.engine.cursors["a"] == "999200-0"


def test_a_lost_camera_is_read_no_more(rig: Rig) -> None:
    rig.memories.lost("a")
    rig.log.append(chunk("a", 999_000), FENCE)
    rig.ingest.step(0.0)
    assert rig.engine.batches == []
    assert rig.engine.opened == set()
    assert rig.memories.state("a") == "replaying"


def test_a_retaken_lease_keeps_the_memory(rig: Rig) -> None:
    rig.log.append(chunk("a", 999_000), FENCE)
    rig.ingest.step(0.0)
    rig.memories.gained(Camera(id="a"), Lease("a", "worker", Fence("me", 9)))
    tracked = rig.memories.get("a")
    assert tracked is not None
    assert (tracked.lease.epoch, tracked.offset) == (9, LogId(999_000))
    rig.ingest.step(0.0)
    assert len(rig.engine.batches) == 1
