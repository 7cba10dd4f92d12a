"""A camera while this worker remembers it, from the moment it comes until it is given up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hermes.engine import CameraHandle, SessionReport
from hermes.errors import CameraNotReady
from hermes.v1.camera_pb2 import Camera
from services.common.frame_log import LogId
from services.common.leases import Lease
from services.hermes_worker.checkpoint_record import CheckpointRecord, Durable
from services.hermes_worker.earlier import EarlierMemory
from services.hermes_worker.kept_pictures import KeptPictures
from services.hermes_worker.log_position import START, LogPosition
from services.hermes_worker.phase import TRANSITIONS, Phase
from services.hermes_worker.picture_shelf import PictureShelf
from services.hermes_worker.position import Position

LEAVE_S = 10.0
"""A camera is handed over after this long, even if an answer about it has not ended."""
CATCH_UP_S = 1.0
LEAVING_S = 0.5


class Tenure:
    """One camera's lease, memory, reader, answers and checkpoints. Thread-safe.

    The phase changes only here, under the tenure's own lock, and only as
    `TRANSITIONS` allows. Two facts stand beside it, as they hold in more than
    one phase: whether memory is restored (`position` is set), and whether it
    has caught up with the log as it was when the camera came.
    """

    def __init__(
        self,
        camera: Camera,
        handle: CameraHandle,
        lease: Lease | None,
        *,
        earlier: EarlierMemory | None = None,
        restores: bool = False,
        kept_pictures: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`lease`: None if another worker owns the camera, and memory is made ready here.

        `earlier`: what the previous owner's memory had seen. `restores`: the
        log is not read before `restored` was called. `kept_pictures`: bytes of pictures
        that are kept at most.
        """
        self.camera = camera
        self.handle = handle
        self.earlier = earlier
        self.checkpoint = CheckpointRecord()
        self.pictures = KeptPictures(kept_pictures, lambda: handle.report().held)
        self.shelf = PictureShelf()
        self._clock = clock
        self._lock = threading.Lock()
        self._lease = lease
        self._position = None if restores else Position()
        self._target: LogId | None = None
        self._caught_up = False
        self._incomplete = False
        self._answers = 0
        self._came_at = clock()
        self._leaving_at = 0.0
        self._phase = Phase.PREPARING if lease is None else self._owned_phase()

    # -- what holds now ------------------------------------------------------

    @property
    def phase(self) -> Phase:
        """The phase."""
        return self._phase

    @property
    def serving(self) -> bool:
        """Whether questions are answered now."""
        return self._phase is Phase.SERVING

    @property
    def lease(self) -> Lease | None:
        """The lease that we have; None while another worker owns the camera."""
        return self._lease

    @property
    def position(self) -> Position | None:
        """Where the reader is, for the ingest thread alone. None until memory is restored."""
        return self._position

    @property
    def caught_up(self) -> bool:
        """Whether memory holds what the log held when the camera came to us."""
        return self._caught_up

    @property
    def ready(self) -> bool:
        """Whether the camera could be handed to us with nothing of the owner's memory lost."""
        return self._caught_up and not self._incomplete

    @property
    def aimed(self) -> bool:
        """Whether the end of the log that memory must reach is known."""
        return self._target is not None

    def replays(self, id: LogId) -> bool:
        """Whether the entry was in the log before the camera came to us."""
        target = self._target
        return target is not None and id <= target

    # -- ownership -----------------------------------------------------------

    def gained(self, lease: Lease) -> None:
        """The camera is ours: for the first time, or again with a lease that was retaken."""
        with self._lock:
            self._lease = lease
            if self._phase is Phase.PREPARING:
                # The log has grown meanwhile: an answer must not see less than the owner's did.
                self._caught_up, self._came_at = False, self._clock()
                self._to(self._owned_phase())
            elif self._phase is Phase.LEAVING:
                self._to(self._owned_phase())
            if not self._caught_up:
                self._target = None  # the log ends elsewhere by now, or was lost

    def leave(self) -> bool:
        """Begin no new answer. Whether all that were begun have ended, or had long enough."""
        with self._lock:
            if self._phase is Phase.PREPARING:
                return True  # not ours to leave
            if self._phase is not Phase.LEAVING:
                self._to(Phase.LEAVING)
                self._leaving_at = self._clock()
            return self._answers == 0 or self._clock() - self._leaving_at > LEAVE_S

    def stay(self) -> None:
        """The camera is not handed over after all."""
        with self._lock:
            if self._phase is Phase.LEAVING:
                self._to(self._owned_phase())

    def end(self) -> None:
        """Forget the camera's memory; open questions about it fail."""
        self.handle.close()

    # -- how far memory is ---------------------------------------------------

    def restored(self, start: LogPosition = START, *, incomplete: bool = False) -> None:
        """Memory holds everything up to `start`, and the log is read from there.

        `incomplete`: the previous owner's memory held more.
        """
        with self._lock:
            frames = self.handle.report().coverage.frames_seen
            self.checkpoint.durable = Durable(str(start.id), frames)
            self._incomplete = self._incomplete or incomplete
            self._position = Position(start)
            if self._phase is Phase.RESTORING:
                self._to(Phase.REPLAYING)

    def mark_incomplete(self) -> None:
        """Frames that the previous owner may have seen are gone from the log."""
        with self._lock:
            self._incomplete = True

    def aim(self, target: LogId, lease: Lease | None) -> None:
        """Memory must reach `target`, the log's end while `lease` was ours, to have caught up."""
        with self._lock:
            if self._lease is lease:  # else the camera came to us after the log was looked at
                self._target = target

    def progress(self) -> float | None:
        """See whether memory has caught up. Seconds since the camera became ours if it just has.

        None otherwise, and while another worker owns the camera.
        """
        with self._lock:
            if self._caught_up or self._position is None or self._target is None:
                return None
            if cursor_of(self.handle.report()) < self._target:
                return None
            self._caught_up = True
            if self._phase is Phase.REPLAYING:
                self._to(Phase.SERVING)
            return None if self._lease is None else self._clock() - self._came_at

    # -- answers -------------------------------------------------------------

    def require_serving(self) -> None:
        """Raises `CameraNotReady` unless questions are answered now."""
        phase = self._phase
        if phase is Phase.LEAVING:
            raise CameraNotReady(
                f"camera {self.camera.id!r} is changing hands; ask again", LEAVING_S
            )
        if phase is not Phase.SERVING:
            raise CameraNotReady(f"the memory of {self.camera.id!r} is catching up", CATCH_UP_S)

    @contextmanager
    def answering(self) -> Iterator[None]:
        """An answer is under way: the camera is not handed over before it has ended.

        Raises `CameraNotReady` unless questions are answered now.
        """
        with self._lock:
            self.require_serving()
            self._answers += 1
        try:
            yield
        finally:
            with self._lock:
                self._answers -= 1

    # -- under the lock ------------------------------------------------------

    def _owned_phase(self) -> Phase:
        if self._position is None:
            return Phase.RESTORING
        return Phase.SERVING if self._caught_up else Phase.REPLAYING

    def _to(self, phase: Phase) -> None:
        if phase not in TRANSITIONS[self._phase]:
            raise RuntimeError(f"{self.camera.id}: from {self._phase} to {phase}")
        self._phase = phase


def cursor_of(report: SessionReport) -> LogId:
    """The last log entry that a memory has taken in."""
    return LogPosition.parse(report.cursor).id
