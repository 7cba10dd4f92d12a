"""Takes checkpoints when they are due, one camera after the other, on a thread of its own."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from hermes.errors import HermesError
from services.common import logs
from services.common.frame_log import Fenced
from services.common.heartbeats import Heartbeats
from services.common.leases import Lease
from services.common.metrics import Metrics
from services.common.periodic import Periodic
from services.hermes_worker.checkpoint_record import RETRY_S, Durable
from services.hermes_worker.checkpoints import Checkpoints
from services.hermes_worker.picture_store import PictureStore
from services.hermes_worker.snapshot_removals import SnapshotRemovals
from services.hermes_worker.tenure import Tenure
from services.hermes_worker.tenures import Tenures

log = logs.get(__name__)

PAUSE_S = 0.25
COPY_S = 60.0
"""The device makes a copy within this long, or it is stuck."""
STORE_LIMIT_S = float("inf")
"""A store that hangs makes checkpoints older and nothing else: it is no reason for a restart."""


@dataclass(frozen=True, slots=True)
class Cadence:
    """A checkpoint is due after `every_s`, or `every_frames` if those come first."""

    every_s: float
    every_frames: int


class Checkpointer:
    """Takes one checkpoint at a time, the most overdue first.

    So the store takes in one stream of bytes at most, and a store that is too
    slow makes checkpoints older and nothing else.
    """

    def __init__(
        self,
        tenures: Tenures,
        checkpoints: Checkpoints,
        pictures: PictureStore,
        removals: SnapshotRemovals,
        metrics: Metrics,
        cadence: Cadence,
        clock: Callable[[], float] = time.monotonic,
        heartbeats: Heartbeats | None = None,
    ) -> None:
        self._tenures = tenures
        self._checkpoints = checkpoints
        self._pictures = pictures
        self._removals = removals
        self._metrics = metrics
        for outcome in ("committed", "failed", "fenced"):
            metrics.checkpoints.labels(outcome)  # 0, so that a rate sees the first event
        self._cadence = cadence
        self._clock = clock
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
        self._removals.step()
        for tenure, lease in self._oldest_first(self._owned()):
            if self._clock() >= until:
                log.warning("checkpoint_left_out", camera=tenure.camera.id)
            elif self._news(tenure, lease) is not None:
                self._take(tenure, lease)

    def _round(self) -> None:
        while not self._periodic.stopping and self.step():
            pass

    def step(self) -> bool:
        """Take the checkpoint that is most overdue. Whether there was one."""
        self._removals.step()
        now = self._clock()
        due = [one for one in self._owned() if self._due(*one, now)]
        if not due:
            return False
        self._take(*self._oldest_first(due)[0])
        return True

    def _owned(self) -> list[tuple[Tenure, Lease]]:
        """The cameras that are ours and restored, with their leases."""
        owned: list[tuple[Tenure, Lease]] = []
        for tenure in self._tenures.all():
            lease = tenure.lease
            if lease is None or tenure.position is None:
                continue
            if tenure.checkpoint.at is None:
                self._begin(tenure)
            owned.append((tenure, lease))
        return owned

    def _begin(self, tenure: Tenure) -> None:
        # Not all at the same moment, and the first one soon: the previous owner may have died.
        ahead = self._cadence.every_s * random.uniform(0.25, 0.75)  # noqa: S311
        tenure.checkpoint.at = self._clock() - ahead
        # Computed when it is read: it goes on growing while a store hangs.
        age = self._metrics.checkpoint_age.labels(tenure.camera.id)
        age.set_function(partial(self._age, tenure))

    def _age(self, tenure: Tenure) -> float:
        at = tenure.checkpoint.at
        return 0.0 if at is None else self._clock() - at

    def _oldest_first(self, owned: list[tuple[Tenure, Lease]]) -> list[tuple[Tenure, Lease]]:
        return sorted(owned, key=lambda one: self._age(one[0]), reverse=True)

    def _news(self, tenure: Tenure, lease: Lease) -> int | None:
        """Frames since the last checkpoint; None if there is nothing to be kept."""
        record, report = tenure.checkpoint, tenure.handle.report()
        # After a new epoch Redis may have forgotten the last one.
        kept = record.cursor if record.epoch == lease.epoch else ""
        if report.cursor in ("", kept):
            return None
        frames = 0 if record.durable is None else record.durable.frames
        return report.coverage.frames_seen - frames

    def _due(self, tenure: Tenure, lease: Lease, now: float) -> bool:
        news = self._news(tenure, lease)
        if now < tenure.checkpoint.retry_at or news is None:
            return False
        overdue = self._age(tenure) >= self._cadence.every_s
        return overdue or news >= self._cadence.every_frames

    def _take(self, tenure: Tenure, lease: Lease) -> None:
        camera, record, began = tenure.camera, tenure.checkpoint, self._clock()
        try:
            snapshot = tenure.handle.snapshot().result(COPY_S)
            now_ms = int(time.time() * 1000)
            outdated = self._pictures.save(tenure, lease, now_ms)
            made = self._checkpoints.commit(camera, lease, snapshot, now_ms)
        except Fenced:
            self._metrics.checkpoints.labels("fenced").inc()
            self._metrics.fenced_writes.inc()
            self._failed(tenure, "it is not ours any more")
            return
        except HermesError as error:  # the camera is closed, or the engine is
            log.debug("checkpoint_not_taken", camera=camera.id, error=str(error))
            record.retry_at = self._clock() + RETRY_S
            return
        except Exception as error:  # a full disk, a store or a Redis out of reach
            self._metrics.checkpoints.labels("failed").inc()
            record.untidy = True
            self._failed(tenure, f"{type(error).__name__}: {error}")
            return
        record.at, record.cursor, record.epoch = began, snapshot.cursor, lease.epoch
        record.durable = Durable(made.id, int(snapshot.state.header["frames_seen"]))
        record.backoff.reset()
        self._metrics.checkpoints.labels("committed").inc()
        self._metrics.checkpoint_bytes.inc(made.bytes)
        self._metrics.checkpoint_duration.observe(self._clock() - began)
        log.debug("checkpoint_committed", camera=camera.id, id=made.id, bytes=made.bytes)
        self._pictures.sweep(tenure, outdated)
        self._tidy(tenure, lease)

    def _failed(self, tenure: Tenure, why: str) -> None:
        pause_s = tenure.checkpoint.backoff.next()
        tenure.checkpoint.retry_at = self._clock() + pause_s
        log.error(
            "checkpoint_failed", camera=tenure.camera.id, error=why, again_in_s=round(pause_s, 1)
        )

    def _tidy(self, tenure: Tenure, lease: Lease) -> None:
        if not tenure.checkpoint.untidy:
            return
        try:
            self._checkpoints.tidy(tenure.camera, lease)
            tenure.checkpoint.untidy = False
        except Exception as error:
            log.warning("checkpoints_not_tidied", error=f"{type(error).__name__}: {error}")
