"""The cameras that this worker remembers, and how far each has got in its frame log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hermes.engine import Batch, Engine, FrameInput, SessionReport, SimilarityGate
from hermes.v1.camera_pb2 import Camera
from services.common import logs
from services.common.frame_log import BEGINNING, LogId
from services.common.leases import Lease
from services.common.metrics import Metrics

log = logs.get(__name__)


@dataclass(slots=True)
class Tracked:
    """Where the reader is with one camera.

    `offset`: the last entry handed to the engine. `target`: the log's end when
    the camera came to us; until memory has it, the camera is replaying. None
    until it was looked up. `next_index`: the index of the next frame, by epoch.
    `hole`: what came before the next frame is missing. `live`: frames that get
    old are dropped. `next_frames`: how many there must be room for. `gate`:
    leaves out what shows nothing new.
    """

    camera: Camera
    lease: Lease
    gained_at: float
    offset: LogId = BEGINNING
    target: LogId | None = None
    serving: bool = False
    next_index: dict[int, int] = field(default_factory=dict)
    hole: bool = False
    live: bool = False
    next_frames: int = 1
    gate: SimilarityGate | None = None

    def replays(self, id: LogId) -> bool:
        """Whether the entry was in the log before the camera came to us."""
        target = self.target
        return target is not None and id <= target


class Memories:
    """The `services.common.ownership.Holder` of a worker."""

    def __init__(
        self, engine: Engine, metrics: Metrics, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine = engine
        self._metrics = metrics
        self._clock = clock
        self._tracked: dict[str, Tracked] = {}
        self._lock = threading.Lock()

    def gained(self, camera: Camera, lease: Lease) -> None:
        """Open a memory; or, if Redis lost its data and the lease was retaken, keep it."""
        with self._lock:
            known = self._tracked.get(camera.id)
            if known is not None:
                known.lease = lease
                if not known.serving:
                    known.target = None  # what was to be replayed may be lost
                return
            self._engine.open(camera.id)
            self._tracked[camera.id] = Tracked(camera, lease, self._clock())

    def lost(self, camera_id: str) -> None:
        """Forget the camera's memory."""
        with self._lock:
            self._tracked.pop(camera_id, None)
            self._engine.close(camera_id)

    def offer(self, tracked: Tracked, id: LogId, frames: Sequence[FrameInput]) -> bool:
        """Hand the frames of a log entry to this camera's memory, and to no later one's.

        False if the camera was given up, or added anew, in between.
        """
        with self._lock:
            if self._tracked.get(tracked.camera.id) is not tracked:
                return False
            tracked.offset = id
            self._engine.offer(tracked.camera.id, Batch(frames, cursor=str(id)))
            return True

    def report(self, tracked: Tracked) -> SessionReport | None:
        """The camera's memory as it is now, or None while it is not open.

        The engine closes and opens memories when its thread comes round to it:
        one that is further than what was handed over is that of a former owner.
        """
        report = self._engine.report(tracked.camera.id)
        return None if report is None or cursor_of(report) > tracked.offset else report

    def state(self, camera_id: str) -> str:
        """`replaying` until memory holds what the log held when we got the camera."""
        tracked = self._tracked.get(camera_id)
        return "serving" if tracked is not None and tracked.serving else "replaying"

    def get(self, camera_id: str) -> Tracked | None:
        """One camera."""
        return self._tracked.get(camera_id)

    def all(self) -> list[Tracked]:
        """All cameras."""
        with self._lock:
            return list(self._tracked.values())

    def progress(self, tracked: Tracked) -> None:
        """See whether memory has caught up with the log as it was when the camera came to us."""
        report, target = self.report(tracked), tracked.target
        if tracked.serving or target is None or report is None:
            return
        if cursor_of(report) >= target:
            tracked.serving = True
            took = self._clock() - tracked.gained_at
            self._metrics.takeover.observe(took)
            log.info("camera_serving", camera=tracked.camera.id, seconds=round(took, 3))


def cursor_of(report: SessionReport) -> LogId:
    """The last log entry that a memory has taken in."""
    return LogId.parse(report.cursor) if report.cursor else BEGINNING
