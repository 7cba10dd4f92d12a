"""Checkpoints in their time: one camera after the other, on a thread of its own."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from hermes.errors import HermesError
from hermes.v1.camera_pb2 import Camera
from services.common import logs
from services.common.frame_log import Fenced
from services.common.heartbeats import Heartbeats
from services.common.leases import Lease
from services.common.metrics import Metrics
from services.common.periodic import Periodic
from services.hermes_worker.checkpoints import Checkpoints
from services.hermes_worker.memories import Memories, Tracked

log = logs.get(__name__)

PAUSE_S = 0.25
COPY_S = 60.0
"""The device gives a copy within this long, or it is stuck."""
STORE_LIMIT_S = float("inf")
"""A store that hangs makes checkpoints older and nothing else: it is no reason for a restart."""
RETRY_S = 5.0
RETRY_MOST_S = 120.0


@dataclass(frozen=True, slots=True)
class Cadence:
    """A checkpoint is due after `every_s`, or `every_frames` if those come first."""

    every_s: float
    every_frames: int


@dataclass(slots=True)
class _Kept:
    """What is known of one camera's checkpoints."""

    tracked: Tracked
    lease: Lease
    at: float
    cursor: str = ""
    failures: int = 0
    retry_at: float = 0.0
    untidy: bool = True


class Checkpointer:
    """Takes the one that is most overdue first, so that what the store takes in is bounded by one
    stream of bytes, and a store that is too slow makes checkpoints older and nothing else.
    """

    def __init__(
        self,
        memories: Memories,
        checkpoints: Checkpoints,
        metrics: Metrics,
        cadence: Cadence,
        clock: Callable[[], float] = time.monotonic,
        heartbeats: Heartbeats | None = None,
    ) -> None:
        self._memories = memories
        self._checkpoints = checkpoints
        self._metrics = metrics
        for outcome in ("committed", "failed", "fenced"):
            metrics.checkpoints.labels(outcome)  # 0, so that a rate sees the first event
        self._cadence = cadence
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._removed: list[Camera] = []
        self._remove_at = float("-inf")
        self._periodic = Periodic(
            "checkpoints", self._round, PAUSE_S, heartbeats or Heartbeats(), limit_s=STORE_LIMIT_S
        )

    def start(self) -> None:
        """Begin."""
        self._periodic.start()

    def stop(self, timeout_s: float) -> None:
        """Stop, and take a last checkpoint of every camera that has gone on since, in time."""
        until = self._clock() + timeout_s
        if not self._periodic.stop(timeout_s):
            log.error("checkpoints_stuck")
            return
        self._remove_all()
        self._look()
        for kept in sorted(self._kept.values(), key=lambda kept: kept.at):
            if self._clock() >= until:
                log.warning("checkpoint_left_out", camera=kept.tracked.camera.id)
            elif self._news(kept) is not None:
                self._take(kept)

    def removed(self, camera: Camera) -> None:
        """The camera is registered no more: its snapshots go, too. Any thread."""
        self._removed.append(camera)

    def _round(self) -> None:
        while not self._periodic.stopping and self.step():
            pass

    def step(self) -> bool:
        """Take the checkpoint that is most overdue. Whether there was one."""
        self._look()
        self._remove_all()
        now = self._clock()
        due = [kept for kept in self._kept.values() if self._due(kept, now)]
        if not due:
            return False
        self._take(min(due, key=lambda kept: kept.at))
        return True

    def _look(self) -> None:
        """Which cameras are ours, and since when."""
        now, before, self._kept = self._clock(), self._kept, {}
        for tracked in self._memories.all():
            camera_id, lease = tracked.camera.id, tracked.lease
            if lease is None or tracked.restoring:
                continue
            kept = before.get(camera_id)
            if kept is None or kept.tracked is not tracked:
                # Not all at the same moment, and the first one soon: whoever had it died.
                ahead = self._cadence.every_s * random.uniform(0.25, 0.75)  # noqa: S311
                kept = _Kept(tracked, lease, now - ahead)
            elif kept.lease.epoch != lease.epoch:
                kept.cursor, kept.lease = "", lease  # Redis may have forgotten the last one
            self._kept[camera_id] = kept
            # Computed when it is read: it goes on growing while a store hangs.
            age = self._metrics.checkpoint_age.labels(camera_id)
            age.set_function(partial(self._age, kept))

    def _age(self, kept: _Kept) -> float:
        return self._clock() - kept.at

    def _news(self, kept: _Kept) -> int | None:
        """Frames since the last checkpoint; None if there is nothing to be kept."""
        report = kept.tracked.handle.report()
        if report.cursor in ("", kept.cursor):
            return None
        return report.coverage.frames_seen - kept.tracked.durable_frames

    def _due(self, kept: _Kept, now: float) -> bool:
        news = self._news(kept)
        if now < kept.retry_at or news is None:
            return False
        return now - kept.at >= self._cadence.every_s or news >= self._cadence.every_frames

    def _take(self, kept: _Kept) -> None:
        camera, began = kept.tracked.camera, self._clock()
        try:
            snapshot = kept.tracked.handle.snapshot().result(COPY_S)
            now_ms = int(time.time() * 1000)
            made = self._checkpoints.commit(camera, kept.lease, snapshot, now_ms)
        except Fenced:
            self._metrics.checkpoints.labels("fenced").inc()
            self._metrics.fenced_writes.inc()
            self._failed(kept, "it is not ours any more")
            return
        except HermesError as error:  # the camera is closed, or the engine is
            log.debug("checkpoint_not_taken", camera=camera.id, error=str(error))
            kept.retry_at = self._clock() + RETRY_S
            return
        except Exception as error:  # a full disk, a store or a Redis out of reach
            self._metrics.checkpoints.labels("failed").inc()
            kept.untidy = True
            self._failed(kept, f"{type(error).__name__}: {error}")
            return
        kept.at, kept.cursor, kept.failures = began, snapshot.cursor, 0
        frames = int(snapshot.state.header["frames_seen"])
        self._memories.durable(kept.tracked, made.id, frames)
        self._metrics.checkpoints.labels("committed").inc()
        self._metrics.checkpoint_bytes.inc(made.bytes)
        self._metrics.checkpoint_duration.observe(self._clock() - began)
        log.debug("checkpoint_committed", camera=camera.id, id=made.id, bytes=made.bytes)
        self._tidy(kept)

    def _failed(self, kept: _Kept, why: str) -> None:
        kept.failures += 1
        pause_s = min(RETRY_MOST_S, RETRY_S * 2 ** (kept.failures - 1))
        kept.retry_at = self._clock() + pause_s
        log.error("checkpoint_failed", camera=kept.tracked.camera.id, error=why, again_in_s=pause_s)

    def _tidy(self, kept: _Kept) -> None:
        if not kept.untidy:
            return
        try:
            self._checkpoints.tidy(kept.tracked.camera, kept.lease)
            kept.untidy = False
        except Exception as error:
            log.warning("checkpoints_not_tidied", error=f"{type(error).__name__}: {error}")

    def _remove_all(self) -> None:
        now = self._clock()
        if now < self._remove_at:
            return
        for camera in list(self._removed):
            try:
                self._checkpoints.remove(camera)
                self._removed.remove(camera)
            except Exception as error:
                log.warning("checkpoints_not_removed", camera=camera.id, error=str(error))
                self._remove_at = now + RETRY_S
