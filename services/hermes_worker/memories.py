"""The cameras that this worker remembers, and how far each has got in its frame log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from hermes.engine import CameraHandle, Engine, SessionReport, SimilarityGate
from hermes.v1.camera_pb2 import Camera
from services.common import logs
from services.common.frame_log import BEGINNING, LogId
from services.common.leases import Lease
from services.common.metrics import Metrics
from services.hermes_worker.place import Place

log = logs.get(__name__)


LEAVE_S = 10.0
"""A camera is handed over after this long, even if an answer about it has not ended."""


@dataclass(frozen=True, slots=True)
class EarlierMemory:
    """What a camera's last status says of its memory: capture times (ms) of what it had seen."""

    since_ms: int
    end_ms: int

    def lost_since(self, first_ms: int) -> int | None:
        """The last known frame before `first_ms`, where a memory begins that does not have the
        earlier one's. None if this memory sees all that the earlier one had seen.
        """
        if self.since_ms >= first_ms:
            return None
        return self.end_ms if self.end_ms < first_ms else self.since_ms


@dataclass(slots=True)
class Tracked:
    """Where the reader is with one camera.

    `lease`: None while another worker has the camera, and ours only makes
    ready. `offset`: the last entry handed to the engine. `target`: the log's
    end when the camera came to us; until memory has it, the camera is
    replaying. None until it was looked up. `restoring`: its memory is on its
    way from a checkpoint, and the log is not read yet. `next_index`: the index
    of the next frame, by epoch. `hole`: what came before the next frame is
    missing. `live`: frames that get old are dropped. `newest`: the
    log's end when it was last looked at. `next_frames`: how many
    there must be room for. `gate`: leaves out what shows nothing new.
    `durable`: id of the last entry in a checkpoint; None if none are taken.
    `durable_frames`: frames that had been seen then.
    `poor`: whoever had the camera before knows more of it, as a checkpoint could
    not be used, or what came behind it is gone. `leaving_at`: since when
    nothing new is begun, as it is about to be handed over. `answers`: answers under way.
    `earlier`: what the last owner's memory had seen. `faulty_until`: its log could not be
    read, and is left alone until then.
    """

    camera: Camera
    handle: CameraHandle
    lease: Lease | None
    gained_at: float
    offset: LogId = BEGINNING
    target: LogId | None = None
    restoring: bool = False
    serving: bool = False
    next_index: dict[int, int] = field(default_factory=dict)
    hole: bool = False
    live: bool = False
    newest: LogId = BEGINNING
    next_frames: int = 1
    gate: SimilarityGate | None = None
    durable: str | None = None
    durable_frames: int = 0
    poor: bool = False
    faulty_until: float = 0.0
    earlier: EarlierMemory | None = None
    leaving_at: float | None = None
    answers: int = 0

    def replays(self, id: LogId) -> bool:
        """Whether the entry was in the log before the camera came to us."""
        target = self.target
        return target is not None and id <= target

    def place(self, id: LogId) -> Place:
        """Where the reader is behind the entry `id`."""
        epoch, index = next(iter(self.next_index.items()), (0, 0))
        return Place(id, epoch, index, self.hole)


class Memories:
    """The `services.common.ownership.Holder` of a worker."""

    def __init__(
        self,
        engine: Engine,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
        *,
        earlier: Callable[[str], EarlierMemory | None] = lambda camera_id: None,
    ) -> None:
        """`earlier` looks up what the camera's last owner had seen, before we report our own."""
        self._earlier = earlier
        self._engine = engine
        self._metrics = metrics
        self._clock = clock
        self._tracked: dict[str, Tracked] = {}
        self._lock = threading.Lock()
        self._restore: Callable[[Tracked], None] | None = None
        self._removed: Callable[[Camera], None] | None = None

    def keep_in(
        self, restore: Callable[[Tracked], None], removed: Callable[[Camera], None]
    ) -> None:
        """There are checkpoints: `restore` is called with each camera that comes, and calls
        `restored`; `removed` with each that is registered no more.
        """
        self._restore, self._removed = restore, removed

    def gained(self, camera: Camera, lease: Lease) -> None:
        """Open a memory; or keep the one that was made ready, or whose lease was retaken."""
        earlier = None if camera.id in self._tracked else self._earlier(camera.id)
        with self._lock:
            known = self._tracked.get(camera.id)
            if known is None:
                self._open(camera, lease, earlier)
                return
            if known.lease is None:
                # It was made ready: no question sees less now than it would have a moment ago.
                known.serving, known.gained_at = False, self._clock()
            known.lease, known.leaving_at = lease, None
            if not known.serving:
                known.target = None  # another end by now; and what was to be replayed may be lost

    def prepare(self, camera: Camera) -> None:
        """Make a memory of a camera that another worker has."""
        earlier = self._earlier(camera.id)
        with self._lock:
            if camera.id not in self._tracked:
                self._open(camera, None, earlier)

    def _open(self, camera: Camera, lease: Lease | None, earlier: EarlierMemory | None) -> None:
        handle = self._engine.open(camera.id)
        tracked = Tracked(camera, handle, lease, self._clock(), earlier=earlier)
        self._tracked[camera.id] = tracked
        if self._restore is not None:
            tracked.restoring = True
            self._restore(tracked)

    def prepared(self, camera_id: str) -> bool:
        """Whether memory holds what the log held when it was begun, and lacks nothing of before."""
        tracked = self._tracked.get(camera_id)
        return tracked is not None and tracked.serving and not tracked.poor

    def restored(self, tracked: Tracked, place: Place) -> None:
        """The camera's memory holds all up to this place: the log is read from there."""
        with self._lock:
            tracked.offset, tracked.hole = place.id, place.hole
            tracked.next_index = dict(place.indices)
            self.durable(tracked, str(place.id), tracked.handle.report().coverage.frames_seen)
            tracked.restoring = False

    def durable(self, tracked: Tracked, id: str, frames: int) -> None:
        """All up to the entry `id` is in a checkpoint, the first `frames` of the camera."""
        tracked.durable, tracked.durable_frames = id, frames

    def leave(self, camera_id: str) -> bool:
        """Begin no answer about the camera any more. Whether those that were begun have ended."""
        tracked = self._tracked.get(camera_id)
        if tracked is None:
            return True
        now = self._clock()
        if tracked.leaving_at is None:
            tracked.leaving_at = now
        return tracked.answers == 0 or now - tracked.leaving_at > LEAVE_S

    def stay(self, camera_id: str) -> None:
        """Answer again."""
        tracked = self._tracked.get(camera_id)
        if tracked is not None:
            tracked.leaving_at = None

    def lost(self, camera_id: str) -> None:
        """Forget the camera's memory."""
        with self._lock:
            tracked = self._tracked.pop(camera_id, None)
            if tracked is not None:
                tracked.handle.close()

    def removed(self, camera: Camera) -> None:
        """Forget what was kept of it elsewhere."""
        if self._removed is not None:
            self._removed(camera)

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
        with self._lock:
            target = tracked.target
            if tracked.serving or tracked.restoring or target is None:
                return
            if cursor_of(tracked.handle.report()) < target:
                return
            tracked.serving = True
            took = self._clock() - tracked.gained_at
            self._metrics.takeover.observe(took)
            log.info("camera_serving", camera=tracked.camera.id, seconds=round(took, 3))


def cursor_of(report: SessionReport) -> LogId:
    """The last log entry that a memory has taken in."""
    return Place.parse(report.cursor).id
