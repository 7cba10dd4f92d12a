"""From a camera's newest usable checkpoint to its memory, off every other thread."""

from __future__ import annotations

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
WAIT_S = 60.0
"""The device takes a snapshot in within this long, or it is stuck."""


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
        known = self._known(tracked)
        if known is None:
            return None
        for nth, checkpoint in enumerate(known):
            try:
                place = self._load(tracked, checkpoint)
            except SnapshotMismatch as error:
                # Another model or budget: the ones before are of the same.
                log.error("checkpoint_of_another_kind", camera=tracked.camera.id, error=str(error))
                break
            except (SnapshotCorrupt, FileNotFoundError) as error:
                log.error(
                    "checkpoint_unusable",
                    camera=tracked.camera.id,
                    path=checkpoint.path,
                    error=str(error),
                )
                continue
            if place is None:
                return None
            return _Outcome("older" if nth else "newest", place)
        return _Outcome("lost" if known else "log", Place())

    def _known(self, tracked: Tracked) -> list[Checkpoint] | None:
        """What Redis names; it is asked until it answers."""
        while self._wanted(tracked):
            try:
                return self._checkpoints.of(tracked.camera)
            except redis.RedisError as error:
                log.warning("checkpoints_unreachable", camera=tracked.camera.id, error=str(error))
                self._stop.wait(RETRY_S)
        return None

    def _load(self, tracked: Tracked, checkpoint: Checkpoint) -> Place | None:
        """The place that the memory now holds; None if it is wanted no more."""
        until, attempt = time.monotonic() + PATIENCE_S, 0
        while self._wanted(tracked):
            attempt += 1
            try:
                snapshot = self._checkpoints.load(
                    tracked.camera, checkpoint, self._engine.snapshot_limit
                )
                tracked.handle.restore(snapshot).result(WAIT_S)
                return Place.parse(snapshot.cursor)
            except (SnapshotCorrupt, SnapshotMismatch, FileNotFoundError):
                raise
            except (CameraNotOwned, Unavailable):
                return None  # the camera is closed, or the engine is
            except Exception as error:  # each file system has its own; and a device may be full
                log.warning(
                    "checkpoint_unreadable",
                    camera=tracked.camera.id,
                    attempt=attempt,
                    error=f"{type(error).__name__}: {error}",
                )
                if time.monotonic() > until:
                    raise SnapshotCorrupt(f"not readable in {attempt} attempts") from error
                self._stop.wait(min(5.0, RETRY_S * attempt))
        return None

    def _wanted(self, tracked: Tracked) -> bool:
        return not self._stop.is_set() and not tracked.handle.closed
