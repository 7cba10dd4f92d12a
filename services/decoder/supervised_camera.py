"""One owned camera: its process, when to start the next one, and what all of them reported."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

from hermes.v1.camera_pb2 import (
    SOURCE_ERROR_UNSPECIFIED,
    SOURCE_STATE_ENDED,
    SOURCE_STATE_FAILED,
    SOURCE_STATE_OFFLINE,
    SOURCE_STATE_ONLINE,
    Camera,
    SourceError,
    SourceState,
    SourceStatus,
)
from services.common import logs, tombstones
from services.common.backoff import Backoff
from services.common.camera_status import Fields, ended_fields, source_fields
from services.common.cameras import is_file
from services.common.leases import Lease
from services.common.metrics import Metrics
from services.decoder.camera_child import CameraChild
from services.decoder.camera_process import CameraJob
from services.decoder.faults import SourceFault
from services.decoder.fork_server import Launcher
from services.decoder.report import Report
from services.decoder.settings import DecoderSettings

log = logs.get(__name__)

MAX_TOTAL = 2**63
"""Counts of all processes of a camera are no larger than this."""


class SupervisedCamera:
    """A camera under one lease. Times are monotonic seconds.

    Methods are the supervisor's thread's; `status`, `state` and `left` any thread's.
    """

    def __init__(
        self, camera: Camera, lease: Lease, settings: DecoderSettings, metrics: Metrics
    ) -> None:
        self.camera = camera
        self.lease = lease
        self._settings = settings
        self._metrics = metrics
        self._backoff = Backoff(settings.backoff_base_s, settings.backoff_cap_s)
        self._child: CameraChild | None = None
        self.restart_s: float | None = 0.0
        """When to start a process; None while it runs or when none is wanted."""
        self._report = Report()
        self._earlier = Report()
        """Counts of this camera's earlier processes."""
        self._was_started = False
        self._stopping = False
        self._leaving = False
        """Another decoder is about to read the camera: none is started here."""
        self._ending = False
        """The process was asked to end for a hand-over that did not happen."""
        self._lock = threading.Lock()

    def succeed(self, old: SupervisedCamera) -> None:
        """Go on under a new epoch, from the same camera under an older one.

        Whatever the old process still writes is refused, so it is ended. The
        counts belong to the camera and go on.
        """
        old.kill()
        old._end(None)
        self._earlier, self._was_started = old._earlier, old._was_started
        before = old._report
        self._report = Report(last_frame_ms=before.last_frame_ms, picture=before.picture)

    def show(self) -> None:
        """Write the state into the log and the metrics."""
        report, camera_id = self._report, self.camera.id
        self._metrics.camera_owner_epoch.labels(camera_id).set(self.lease.epoch)
        self._metrics.camera_state.labels(camera_id).set(report.state)
        bad = report.state in (SOURCE_STATE_OFFLINE, SOURCE_STATE_FAILED)
        write = log.warning if bad else log.info
        write(
            "camera_state",
            camera=camera_id,
            state=SourceState.Name(report.state),
            error=SourceError.Name(report.error),
            message=report.message,
        )

    @property
    def running(self) -> bool:
        """Whether there is a process, be it one that is about to end."""
        return self._child is not None

    @property
    def left(self) -> bool:
        """Whether nothing runs here any more after `leave`."""
        return self._leaving and self._child is None

    @property
    def state(self) -> int:
        """The number of the source's `SourceState`."""
        return self._report.state

    @property
    def finished(self) -> bool:
        """Whether the source has ended or failed for good, and its process has ended."""
        return self._child is None and self.state in (SOURCE_STATE_ENDED, SOURCE_STATE_FAILED)

    def waitables(self) -> list[Any]:
        """What becomes readable when there is something to do, for `multiprocessing.wait`."""
        return [] if self._child is None else self._child.waitables()

    def see_to(self, launcher: Launcher, now_s: float) -> None:
        """Read reports, kill a stuck process, see to one that ended, start one that is due."""
        if self._child is not None:
            self._listen(self._child, now_s)
            self._watch(self._child, now_s)
        if self.restart_s is not None and now_s >= self.restart_s:
            self._start(launcher, now_s)

    def excuse(self, now_s: float) -> None:
        """The supervisor did not run, and heard nobody: that says nothing about the process."""
        if self._child is not None:
            self._child.excuse(now_s)

    def stop(self) -> None:
        """Let the process publish what it holds and end, and start no other."""
        self._stopping, self.restart_s = True, None
        if self._child is not None:
            self._child.stop()

    def leave(self) -> None:
        """Do the same for a hand-over: `stay` takes it back."""
        if self._leaving:
            return
        self._leaving, self.restart_s = True, None
        if self._child is not None:
            self._child.stop()

    def stay(self, now_s: float) -> None:
        """The hand-over did not happen: go on reading."""
        if not self._leaving:
            return
        self._leaving = False
        if self._child is not None:
            self._ending = True  # it was asked to; another is started once it has ended
        elif not self._settled:
            self.restart_s = now_s

    def kill(self) -> None:
        """End the process at once. Not waited for: fencing covers the time that it takes."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.close()

    def failed(self, error: Exception, now_s: float) -> None:
        """Seeing to this camera raised `error`: start over with a new process, later."""
        self.restart_s = None
        if not (self._stopping or self._leaving):
            self.restart_s = now_s + self._backoff.next()
        self._end(SourceFault(SOURCE_ERROR_UNSPECIFIED, f"internal error ({type(error).__name__})"))
        self.kill()

    def status(self) -> SourceStatus:
        """For the status hash."""
        with self._lock:
            report, earlier = self._report, self._earlier
        status = SourceStatus(
            state=report.state,  # type: ignore[arg-type]
            error=report.error,  # type: ignore[arg-type]
            error_message=report.message,
            frames_per_second=report.fps,
            reconnects=earlier.reconnects + report.reconnects,
            dropped_frames=earlier.dropped + report.dropped + report.missed,
            decoder=self._settings.instance,
        )
        if report.last_frame_ms:
            status.last_frame.FromMilliseconds(report.last_frame_ms)
        if (picture := report.picture_status) is not None:
            status.picture.CopyFrom(picture)
        return status

    def fields(self) -> Fields:
        """The same as fields of that hash, with a note of a recording that has ended."""
        status = self.status()
        fields = source_fields(status)
        if status.state == SOURCE_STATE_ENDED and not is_file(self.camera.url):
            fields |= ended_fields(tombstones.created_ns(self.camera), status.error_message)
        return fields

    @property
    def _settled(self) -> bool:
        """Whether there is nothing left to read."""
        report = self._report
        return report.fenced or report.state in (SOURCE_STATE_ENDED, SOURCE_STATE_FAILED)

    def _start(self, launcher: Launcher, now_s: float) -> None:
        self.restart_s = None
        job = CameraJob(
            self.camera.SerializeToString(),
            self.lease.fence,
            self._settings,
            first_index=self._report.sampled,
            interrupted=self._was_started,
        )
        try:
            self._child = launcher.launch(job, now_s)
        except (OSError, EOFError) as error:
            log.error("camera_process_not_started", camera=self.camera.id, error=str(error))
            self.restart_s = now_s + self._backoff.next()
            return
        self._was_started = True
        log.info("camera_process_started", camera=self.camera.id, pid=self._child.pid)

    def _listen(self, child: CameraChild, now_s: float) -> None:
        for report in child.reports(now_s):
            self._take(report)

    def _take(self, report: Report) -> None:
        before, camera_id = self._report, self.camera.id
        if report.last_frame_ms == 0:
            report = replace(report, last_frame_ms=before.last_frame_ms)
        if not report.picture:
            report = replace(report, picture=before.picture)
        with self._lock:
            self._report = report
        frames = self._metrics.frames
        for outcome, count in (
            ("encoded", report.published - before.published),
            ("dropped_stale", report.dropped - before.dropped),
            ("decode_error", report.decode_errors - before.decode_errors),
            ("damaged", report.damaged - before.damaged),
            ("missed", report.missed - before.missed),
        ):
            if count > 0:
                frames.labels(camera_id, outcome).inc(count)
        if report.fenced and not before.fenced:
            self._metrics.fenced_writes.inc()
            log.warning("camera_fenced", camera=camera_id, epoch=self.lease.epoch)
        if (report.state, report.error) != (before.state, before.error):
            self.show()

    def _watch(self, child: CameraChild, now_s: float) -> None:
        if child.exitcode is None:
            if child.watch(now_s, self._settings.watchdog_s):
                log.warning("camera_process_killed", camera=self.camera.id, why="stuck")
                self._miss(now_s - child.heard_s)
            return
        self._listen(child, now_s)  # its last words
        fault = child.why_it_ended(self._report)
        child.close()
        self._child = None
        ending, self._ending = self._ending, False
        if self._stopping or self._leaving or self._settled or ending:
            self._end(None)
            if ending and not self._settled:
                self.restart_s = now_s
            return
        if now_s - child.started_s >= self._settings.stable_s:
            self._backoff.reset()
        self._end(fault)
        self.restart_s = now_s + self._backoff.next()
        self.show()

    def _miss(self, silent_s: float) -> None:
        """Count what a live source sent while its process was stuck."""
        camera, report = self.camera, self._report
        if is_file(camera.url) or report.state != SOURCE_STATE_ONLINE:
            return
        fps = camera.sampling.frames_per_second or self._settings.frames_per_second
        frames = round(silent_s * fps)
        self._metrics.frames.labels(camera.id, "missed").inc(frames)
        with self._lock:
            total = min(MAX_TOTAL, self._earlier.dropped + frames)
            self._earlier = replace(self._earlier, dropped=total)

    def _end(self, fault: SourceFault | None) -> None:
        """Add the counts of a process to the earlier ones. `fault`: why it ended, if not asked."""
        last, earlier = self._report, self._earlier
        reconnects = earlier.reconnects + last.reconnects + (fault is not None)
        totals = replace(
            earlier,
            reconnects=min(MAX_TOTAL, reconnects),
            dropped=min(MAX_TOTAL, earlier.dropped + last.dropped + last.missed),
        )
        rest = replace(
            last,
            reconnects=0,
            dropped=0,
            published=0,
            decode_errors=0,
            damaged=0,
            missed=0,
            fps=0.0,
        )
        if fault is not None:
            rest = replace(
                rest, state=SOURCE_STATE_OFFLINE, error=fault.error, message=fault.message
            )
        with self._lock:
            self._earlier, self._report = totals, rest
