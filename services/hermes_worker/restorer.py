"""From a camera's newest usable checkpoint to its memory, off every other thread."""

from __future__ import annotations

import errno
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import redis

from hermes.engine import Engine
from hermes.errors import CameraNotOwned, SnapshotCorrupt, SnapshotMismatch, Unavailable
from services.common import logs
from services.common.metrics import Metrics
from services.hermes_worker.checkpoints import Checkpoint, Checkpoints
from services.hermes_worker.memories import Memories, Tracked
from services.hermes_worker.place import Place

log = logs.get(__name__)

AT_ONCE = 4
RETRY_S = 1.0
PATIENCE_S = 120.0
"""A store that is out of reach for longer is done without."""
ATTEMPTS = 3
"""A file that fails this often while its store may be out of reach gives way to an older one."""
FOR_EVER = (SnapshotCorrupt, FileNotFoundError, IsADirectoryError, NotADirectoryError)
"""What will always be so of this file: an older one is tried at once."""
WAIT_S = 60.0
"""The device takes a snapshot in within this long, or it is stuck."""


_FILE_ERRORS = frozenset({errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO})


def _of_this_file(error: Exception) -> bool:
    """Whether the file may be at fault and not its store: an older one is worth a try at once."""
    return isinstance(error, OSError) and error.errno in _FILE_ERRORS


@dataclass(frozen=True, slots=True)
class _Outcome:
    name: str
    place: Place


class Restorer:
    """Called with each camera that comes to this worker; says when its log can be read, and from
    where. Without checkpoints that is at once, and from the beginning.
    """

    def __init__(
        self, engine: Engine, memories: Memories, checkpoints: Checkpoints, metrics: Metrics
    ) -> None:
        self._engine = engine
        self._memories = memories
        self._checkpoints = checkpoints
        self._metrics = metrics
        for outcome in ("newest", "older", "log", "lost"):
            metrics.restores.labels(outcome)  # 0, so that a rate sees the first event
        self._stop = threading.Event()
        self._waiting: SimpleQueue[Tracked] = SimpleQueue()
        for _ in range(AT_ONCE):
            # Never waited for: a read from a store may hang.
            threading.Thread(target=self._run, name="restore", daemon=True).start()

    def begin(self, tracked: Tracked) -> None:
        """Restore this camera's memory. Returns at once."""
        self._waiting.put(tracked)

    def stop(self) -> None:
        """Give up what is under way, and do not wait for it."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            with suppress(Empty):
                self._restore(self._waiting.get(timeout=1.0))

    def _restore(self, tracked: Tracked) -> None:
        camera_id = tracked.camera.id
        try:
            outcome = self._find(tracked)
        except Exception:
            log.exception("restore_failed", camera=camera_id)
            outcome = _Outcome("lost", Place())
        if outcome is None:
            if not self._wanted(tracked):
                return
            outcome = _Outcome("lost", Place())  # the device could not
        tracked.poor = outcome.name == "lost"
        self._metrics.restores.labels(outcome.name).inc()
        log.info("camera_restored", camera=camera_id, by=outcome.name, place=str(outcome.place))
        self._memories.restored(tracked, outcome.place)

    def _find(self, tracked: Tracked) -> _Outcome | None:
        """What the memory was restored from; None if it is not wanted any more."""
        known = self._known(tracked)
        if known is None:
            return None
        usable, attempt, until = list(known), 0, time.monotonic() + PATIENCE_S
        while usable and self._wanted(tracked):
            attempt += 1
            for checkpoint in list(usable):
                try:
                    place = self._load(tracked, checkpoint)
                except SnapshotMismatch as error:
                    # Another model or budget: the ones before are of the same.
                    log.error(
                        "checkpoint_of_another_kind", camera=tracked.camera.id, error=str(error)
                    )
                    return _Outcome("lost", Place())
                except FOR_EVER as error:
                    self._report_unusable(tracked, checkpoint, error)
                    usable.remove(checkpoint)
                except (CameraNotOwned, Unavailable):
                    return None  # the camera is closed, or the engine is
                except Exception as error:  # each file system has its own; a device may be full
                    self._report_unusable(tracked, checkpoint, error)
                    if attempt < ATTEMPTS and not _of_this_file(error):
                        break  # the store is out of reach: the newest again, in a moment
                else:
                    return _Outcome("newest" if checkpoint == known[0] else "older", place)
            if time.monotonic() > until:
                break
            if usable:
                self._stop.wait(min(5.0, RETRY_S * attempt))
        if not self._wanted(tracked):
            return None
        return _Outcome("lost" if known else "log", Place())

    def _report_unusable(self, tracked: Tracked, checkpoint: Checkpoint, error: Exception) -> None:
        log.error(
            "checkpoint_unusable",
            camera=tracked.camera.id,
            path=checkpoint.path,
            error=f"{type(error).__name__}: {error}",
        )

    def _known(self, tracked: Tracked) -> list[Checkpoint] | None:
        """What Redis names; it is asked until it answers."""
        while self._wanted(tracked):
            try:
                return self._checkpoints.of(tracked.camera)
            except redis.RedisError as error:
                log.warning("checkpoints_unreachable", camera=tracked.camera.id, error=str(error))
                self._stop.wait(RETRY_S)
        return None

    def _load(self, tracked: Tracked, checkpoint: Checkpoint) -> Place:
        """Restore from one checkpoint: the place that the memory then holds."""
        snapshot = self._checkpoints.load(tracked.camera, checkpoint, self._engine.snapshot_limit)
        tracked.handle.restore(snapshot).result(WAIT_S)
        return Place.parse(snapshot.cursor)

    def _wanted(self, tracked: Tracked) -> bool:
        return not self._stop.is_set() and not tracked.handle.closed
