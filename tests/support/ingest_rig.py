"""A worker's ingest with a fake device and a frame log in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from torch import Tensor

from hermes.engine import Batch, Engine, EngineConfig, SessionReport, SimilarityGate
from hermes.errors import CameraNotOwned, HermesError, Overloaded
from hermes.v1.camera_pb2 import Camera
from services.common.leases import Fence, Lease
from services.common.metrics import Metrics
from services.hermes_worker.ingest import Ingest
from services.hermes_worker.tenure import Tenure
from services.hermes_worker.tenures import Tenures
from tests.support.in_memory_frame_log import InMemoryFrameLog

FENCE = Fence("decoder", 1)


@dataclass
class FakeEngine:
    """Takes what there is room for, and reaches every cursor at once."""

    config: EngineConfig = field(default_factory=EngineConfig)
    batches: list[tuple[str, Batch]] = field(default_factory=list)
    waiting: int = 0
    slow: bool = False
    """Frames stay where they are, and are counted as waiting."""
    opened: set[str] = field(default_factory=set)
    cursors: dict[str, str] = field(default_factory=dict)

    def open(self, camera_id: str) -> FakeHandle:
        self.opened.add(camera_id)
        return FakeHandle(self, camera_id)

    def offer(self, camera_id: str, batch: Batch) -> None:
        if self.waiting and self.waiting + len(batch.frames) > self.config.max_pending_frames:
            raise Overloaded("full")
        self.batches.append((camera_id, batch))
        if self.slow:
            self.waiting += len(batch.frames)
        else:
            self.cursors[camera_id] = batch.cursor

    def prepare(self, picture: Tensor) -> Tensor:
        return picture


@dataclass
class FakeHandle:
    """A camera of the fake engine. What it was offered stays with it."""

    engine: FakeEngine
    camera_id: str
    cursor: str = ""
    closed: bool = False
    failure: HermesError | None = None
    lost_since: int | None = None

    def room(self) -> int:
        return self.engine.config.max_pending_frames - self.engine.waiting

    def offer(self, batch: Batch) -> None:
        if self.closed:
            raise CameraNotOwned(self.camera_id)
        self.engine.offer(self.camera_id, batch)
        if not self.engine.slow:
            self.cursor = batch.cursor

    def mark_lost(self, since_ms: int) -> None:
        self.lost_since = since_ms

    def report(self) -> SessionReport:
        return SessionReport(cursor=self.cursor)

    def close(self) -> None:
        self.closed = True
        self.engine.opened.discard(self.camera_id)


class Rig:
    """A worker's ingest with everything around it faked."""

    def __init__(
        self,
        new_gate: Callable[[], SimilarityGate] | None = None,
        restore: Callable[[Tenure], None] | None = None,
    ) -> None:
        self.log = InMemoryFrameLog()
        self.engine = FakeEngine()
        self.metrics = Metrics()
        self.tenures = Tenures(cast(Engine, self.engine), restore=restore, kept_pictures=1 << 20)
        self.ingest = Ingest(
            self.log,
            cast(Engine, self.engine),
            self.tenures,
            self.metrics,
            staleness_s=10.0,
            new_gate=new_gate,
        )

    def gain(self, camera_id: str, epoch: int = 7) -> Tenure:
        """The camera is ours, under a lease of this epoch."""
        self.log.set_fence(camera_id, FENCE)
        self.tenures.gained(Camera(id=camera_id), Lease(camera_id, "worker", Fence("me", epoch)))
        return self.tenure(camera_id)

    def prepare(self, camera_id: str) -> Tenure:
        """Make ready to be handed the camera by another worker."""
        self.log.set_fence(camera_id, FENCE)
        self.tenures.prepare(Camera(id=camera_id))
        return self.tenure(camera_id)

    def tenure(self, camera_id: str) -> Tenure:
        tenure = self.tenures.get(camera_id)
        assert tenure is not None
        return tenure

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
