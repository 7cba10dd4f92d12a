"""From a camera's newest usable checkpoint to its memory, off every other thread."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import redis

from hermes.engine import Engine
from hermes.errors import HermesError, SnapshotCorrupt, SnapshotMismatch
from services.common import logs
from services.common.metrics import Metrics
from services.hermes_worker.checkpoints import Checkpoint, Checkpoints
from services.hermes_worker.memories import Memories, Tracked
from services.hermes_worker.place import Place

log = logs.get(__name__)

AT_ONCE = 4
TRIES = 5
RETRY_S = 1.0
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
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="restore")

    def begin(self, tracked: Tracked) -> None:
        """Restore this camera's memory. Returns at once."""
        self._pool.submit(self._restore, tracked)

    def stop(self) -> None:
        """Give up what is under way."""
        self._stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _restore(self, tracked: Tracked) -> None:
        camera_id = tracked.camera.id
        try:
            outcome = self._find(tracked)
        except Exception:
            log.exception("restore_failed", camera=camera_id)
            outcome = _Outcome("lost", Place())
        if outcome is None:
            return  # it is not ours any more
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
        for attempt in range(1, TRIES + 1):
            if not self._wanted(tracked):
                return None
            try:
                snapshot = self._checkpoints.load(
                    tracked.camera, checkpoint, self._engine.snapshot_limit
                )
                self._engine.restore(tracked.camera.id, snapshot).result(WAIT_S)
                return Place.parse(snapshot.cursor)
            except (SnapshotCorrupt, SnapshotMismatch, FileNotFoundError):
                raise
            except HermesError:
                return None  # the camera is closed, or the engine is
            except Exception as error:  # each file system has its own
                log.warning(
                    "checkpoint_unreadable",
                    camera=tracked.camera.id,
                    attempt=attempt,
                    error=f"{type(error).__name__}: {error}",
                )
                self._stop.wait(RETRY_S)
        raise SnapshotCorrupt(f"it could not be read in {TRIES} attempts")

    def _wanted(self, tracked: Tracked) -> bool:
        return not self._stop.is_set() and self._memories.get(tracked.camera.id) is tracked
