"""A camera as its supervisor sees it: what it last said, and what earlier processes add to that."""

from __future__ import annotations

import multiprocessing.context
from dataclasses import dataclass, field, replace

from hermes.v1.camera_pb2 import (
    SOURCE_STATE_ENDED,
    SOURCE_STATE_FAILED,
    SOURCE_STATE_OFFLINE,
    Camera,
    SourceStatus,
)
from services.common.leases import Lease
from services.decoder.backoff import Backoff
from services.decoder.faults import SourceFault
from services.decoder.report import Channel, Report


@dataclass(slots=True)
class Running:
    """A camera process that was started."""

    process: multiprocessing.context.ForkServerProcess
    channel: Channel
    started_s: float
    heard_s: float
    stuck: bool = False


@dataclass(slots=True)
class CameraSlot:
    """One owned camera. Times are monotonic seconds; the supervisor's thread only."""

    camera: Camera
    lease: Lease
    backoff: Backoff
    running: Running | None = None
    restart_s: float | None = 0.0
    """When to start a process; None while it runs or when none is wanted."""
    report: Report = field(default_factory=Report)
    base: Report = field(default_factory=Report)
    """Counts of this camera's earlier processes."""
    was_started: bool = False
    leaving: bool = False
    """Another decoder is about to read the camera: none is started here."""
    ending: bool = False
    """The process was told to end, for a hand-over that did not happen."""

    @property
    def settled(self) -> bool:
        """Whether there is nothing left to read."""
        return self.report.fenced or self.report.state in (SOURCE_STATE_ENDED, SOURCE_STATE_FAILED)

    def process_ended(self, fault: SourceFault | None) -> None:
        """Fold the counts of a process into the base. `fault`: why, if it was not in order."""
        last = self.report
        self.base = replace(
            self.base,
            reconnects=self.base.reconnects + last.reconnects + (fault is not None),
            dropped=self.base.dropped + last.dropped,
        )
        self.report = replace(last, reconnects=0, dropped=0, published=0, decode_errors=0, fps=0.0)
        if fault is not None:
            self.report = replace(
                self.report,
                state=SOURCE_STATE_OFFLINE,
                error=fault.error,
                message=fault.message,
            )

    def status(self, decoder: str) -> SourceStatus:
        """For the status hash."""
        report = self.report
        status = SourceStatus(
            state=report.state,  # type: ignore[arg-type]
            error=report.error,  # type: ignore[arg-type]
            error_message=report.message,
            frames_per_second=report.fps,
            reconnects=self.base.reconnects + report.reconnects,
            dropped_frames=self.base.dropped + report.dropped,
            decoder=decoder,
        )
        if report.last_frame_ms:
            status.last_frame.FromMilliseconds(report.last_frame_ms)
        return status
