"""Cameras with pictures in a store, without a device: what is held is what a test says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from hermes.engine import CameraHandle, SessionReport
from hermes.memory import FrameStamp, HeldFrames
from hermes.memory.coverage import FrameTable
from hermes.v1.camera_pb2 import Camera
from services.common.leases import Fence, Lease
from services.hermes_worker.tenure import Tenure

CREATED_MS = 1_700_000_000_000


@dataclass
class StillMemory:
    """Stands in for a camera's handle: a table of frames and no device."""

    table: FrameTable = field(default_factory=FrameTable)
    closed: bool = False

    def report(self) -> SessionReport:
        return SessionReport(held=HeldFrames.of(self.table))

    def frame(self, capture_ms: int) -> None:
        self.table.add(FrameStamp(capture_ms), after_gap=False)


def lease_of(camera_id: str, epoch: int) -> Lease:
    return Lease(camera_id, "worker", Fence("me", epoch))


def tenure_of(
    memory: StillMemory,
    *,
    camera_id: str = "lobby",
    created_ms: int = CREATED_MS,
    epoch: int = 7,
    kept_pictures: int = 1 << 20,
) -> Tenure:
    camera = Camera(id=camera_id, url="rtsp://host/1")
    camera.created.FromMilliseconds(created_ms)
    return Tenure(
        camera,
        cast(CameraHandle, memory),
        lease_of(camera_id, epoch) if epoch else None,
        kept_pictures=kept_pictures,
    )


def watched(memory: StillMemory, tenure: Tenure, frames: dict[int, bytes]) -> None:
    """These frames come, each with its picture."""
    for capture_ms, jpeg in frames.items():
        tenure.pictures.take(capture_ms, jpeg)
        memory.frame(capture_ms)
