"""Restores a camera's memory from its newest usable checkpoint, on threads of its own."""

from __future__ import annotations

import errno
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import redis

from hermes.errors import (
    CameraNotOwned,
    SnapshotCorrupt,
    SnapshotMismatch,
    SnapshotVersion,
    Unavailable,
)
from services.common import logs
from services.common.heartbeats import Heartbeats
from services.common.metrics import Metrics
from services.common.periodic import Periodic
from services.hermes_worker.checkpoints import Checkpoint, Checkpoints
from services.hermes_worker.log_position import START, LogPosition
from services.hermes_worker.tenure import Tenure

log = logs.get(__name__)

AT_ONCE = 4
RETRY_S = 1.0
PATIENCE_S = 120.0
"""A store that is out of reach for longer is given up."""
ATTEMPTS = 3
"""After this many failures a file gives way to an older one, even if the store may be at fault."""
FOR_EVER = (SnapshotCorrupt, FileNotFoundError, IsADirectoryError, NotADirectoryError)
"""Errors that will not go away for this file: an older one is tried at once."""
WAIT_S = 60.0
"""The device takes a snapshot in within this long, or it is stuck."""
TURN_S = 1.0
STORE_LIMIT_S = float("inf")
"""A store that hangs keeps a restore waiting and is no reason to restart the worker."""

_FILE_ERRORS = frozenset({errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO})


def _of_this_file(error: Exception) -> bool:
    """Whether the file may be at fault and not its store: an older one is worth a try at once."""
    return isinstance(error, OSError) and error.errno in _FILE_ERRORS


@dataclass(frozen=True, slots=True)
class _Outcome:
    name: str
    start: LogPosition = START


LOST = _Outcome("lost")
"""There was a memory, and none of its checkpoints can be used."""


class Restorer:
    """Restores each new tenure's memory, a few at a time, and says from where its log is read."""

    def __init__(
        self,
        checkpoints: Checkpoints,
        metrics: Metrics,
        snapshot_limit: int,
        heartbeats: Heartbeats | None = None,
    ) -> None:
        """`snapshot_limit`: bytes that a snapshot has at most."""
        self._checkpoints = checkpoints
        self._metrics = metrics
        self._snapshot_limit = snapshot_limit
        for outcome in ("newest", "older", "log", "lost"):
            metrics.restores.labels(outcome)  # 0, so that a rate sees the first event
        self._stop = threading.Event()
        self._waiting: SimpleQueue[Tenure] = SimpleQueue()
        beats = heartbeats or Heartbeats()
        self._threads = [
            Periodic(f"restore-{number}", self._next, 0.0, beats, limit_s=STORE_LIMIT_S)
            for number in range(AT_ONCE)
        ]

    def start(self) -> None:
        """Begin to restore."""
        for thread in self._threads:
            thread.start()

    def begin(self, tenure: Tenure) -> None:
        """Restore this camera's memory. Returns at once."""
        self._waiting.put(tenure)

    def stop(self) -> None:
        """Give up what is under way. Does not wait for it: a read from a store may hang."""
        self._stop.set()
        for thread in self._threads:
            thread.stop(timeout_s=0.0)

    def _next(self) -> None:
        with suppress(Empty):
            self._restore(self._waiting.get(timeout=TURN_S))

    def _restore(self, tenure: Tenure) -> None:
        camera_id = tenure.camera.id
        try:
            outcome = self._find(tenure)
        except Exception:
            log.exception("restore_failed", camera=camera_id)
            outcome = LOST
        if outcome is None:
            if not self._wanted(tenure):
                return
            outcome = LOST  # the device could not
        self._metrics.restores.labels(outcome.name).inc()
        log.info("camera_restored", camera=camera_id, by=outcome.name, start=str(outcome.start))
        tenure.restored(outcome.start, incomplete=outcome is LOST)

    def _find(self, tenure: Tenure) -> _Outcome | None:
        """What the memory was restored from; None if it is not wanted any more."""
        known = self._known(tenure)
        if known is None:
            return None
        usable, attempt, until = list(known), 0, time.monotonic() + PATIENCE_S
        while usable and self._wanted(tenure):
            attempt += 1
            for checkpoint in list(usable):
                try:
                    start = self._load(tenure, checkpoint)
                except SnapshotVersion as error:
                    # During an upgrade, or after it was taken back: older ones may be ours.
                    self._report_unusable(tenure, checkpoint, error)
                    usable.remove(checkpoint)
                except SnapshotMismatch as error:
                    # Another model or budget: the older ones are of the same.
                    log.error(
                        "checkpoint_of_another_kind", camera=tenure.camera.id, error=str(error)
                    )
                    return LOST
                except FOR_EVER as error:
                    self._report_unusable(tenure, checkpoint, error)
                    usable.remove(checkpoint)
                except (CameraNotOwned, Unavailable):
                    return None  # the camera is closed, or the engine is
                except Exception as error:  # each file system has its own; a device may be full
                    self._report_unusable(tenure, checkpoint, error)
                    if attempt < ATTEMPTS and not _of_this_file(error):
                        break  # the store is out of reach: the newest again, in a moment
                else:
                    return _Outcome("newest" if checkpoint == known[0] else "older", start)
            if time.monotonic() > until:
                break
            if usable:
                self._stop.wait(min(5.0, RETRY_S * attempt))
        if not self._wanted(tenure):
            return None
        return LOST if known else _Outcome("log")

    def _report_unusable(self, tenure: Tenure, checkpoint: Checkpoint, error: Exception) -> None:
        log.error(
            "checkpoint_unusable",
            camera=tenure.camera.id,
            path=checkpoint.path,
            error=f"{type(error).__name__}: {error}",
        )

    def _known(self, tenure: Tenure) -> list[Checkpoint] | None:
        """The checkpoints that Redis names; it is asked until it answers."""
        while self._wanted(tenure):
            try:
                return self._checkpoints.of(tenure.camera)
            except redis.RedisError as error:
                log.warning("checkpoints_unreachable", camera=tenure.camera.id, error=str(error))
                self._stop.wait(RETRY_S)
        return None

    def _load(self, tenure: Tenure, checkpoint: Checkpoint) -> LogPosition:
        """Restore from one checkpoint. The log position up to which memory holds everything."""
        snapshot = self._checkpoints.load(tenure.camera, checkpoint, self._snapshot_limit)
        tenure.handle.restore(snapshot).result(WAIT_S)
        return LogPosition.parse(snapshot.cursor)

    def _wanted(self, tenure: Tenure) -> bool:
        return not self._stop.is_set() and not tenure.handle.closed
