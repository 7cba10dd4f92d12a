"""The supervisor: one process per camera, started, watched, and killed when it is stuck.

A single thread that never waits for a camera process: it reads what they send
without blocking, and everything it does to them is a signal. It never talks to
Redis, so that a slow Redis cannot hold up the watchdog.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.forkserver
import random
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import wait
from typing import Any, cast

from hermes.v1.camera_pb2 import (
    SOURCE_ERROR_CODEC,
    SOURCE_ERROR_UNSPECIFIED,
    SOURCE_STATE_FAILED,
    SOURCE_STATE_OFFLINE,
    Camera,
    SourceError,
    SourceState,
    SourceStatus,
)
from services.common import logs
from services.common.leases import Lease
from services.common.metrics import Metrics
from services.decoder import camera_process
from services.decoder.backoff import Backoff
from services.decoder.camera_process import CameraJob
from services.decoder.camera_slot import CameraSlot, Running
from services.decoder.faults import SourceFault
from services.decoder.report import STOP, Channel, Report
from services.decoder.settings import DecoderSettings
from services.decoder.source import STALLED

log = logs.get(__name__)

TICK_S = 0.25
STOP_GRACE_S = 4.0
"""Told to stop, camera processes get this long to publish what they hold."""

PRELOAD = ["services.decoder.preload"]

_CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}


class Supervisor:
    """Runs the processes of the cameras that it is given: an `ownership.Holder`."""

    def __init__(
        self,
        settings: DecoderSettings,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        # A fork server: it has imported everything, so a camera process starts
        # in milliseconds and shares those pages, and unlike a plain fork it
        # copies no thread, lock or connection of this process.
        self._context = multiprocessing.get_context("forkserver")
        self._slots: dict[str, CameraSlot] = {}
        self._commands: deque[Callable[[], None]] = deque()
        self._lock = threading.Lock()
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._stopping = False
        self._ticked_s = clock()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    # What the ownership thread calls: only notes, done on our own thread.

    def gained(self, camera: Camera, lease: Lease) -> None:
        """Read this camera from now on, under this epoch."""
        self._do(lambda: self._gain(camera, lease))

    def lost(self, camera_id: str) -> None:
        """Stop reading this camera at once."""
        self._do(lambda: self._lose(camera_id))

    def removed(self, camera: Camera) -> None:
        """Nothing is kept of it."""

    def prepare(self, camera: Camera) -> None:
        """Nothing: a second reader of a source before the first has ended is one too many."""

    def prepared(self, camera_id: str) -> bool:
        """A camera can be read at any moment."""
        return True

    def leave(self, camera_id: str) -> bool:
        """Let the camera's process publish what it holds, and end."""
        self._do(lambda: self._leave(camera_id))
        with self._lock:
            slot = self._slots.get(camera_id)
            return slot is None or (slot.leaving and slot.running is None)

    def stay(self, camera_id: str) -> None:
        """Read it again."""
        self._do(lambda: self._stay(camera_id))

    def state(self, camera_id: str) -> str:
        """The source's state, in lower case: `online`, `offline`, ..."""
        with self._lock:
            slot = self._slots.get(camera_id)
            number = slot.report.state if slot is not None else 0
        return SourceState.Name(number).removeprefix("SOURCE_STATE_").lower()

    def start(self) -> None:
        """Begin to supervise."""
        self._context.set_forkserver_preload(PRELOAD)
        self._thread.start()

    def stop(self) -> None:
        """Stop every camera process, kill what takes too long, and return when all are gone."""
        self._do(self._begin_stop)
        self._thread.join(STOP_GRACE_S + 5.0)
        self._wake_in.close()
        self._wake_out.close()

    @property
    def healthy(self) -> bool:
        """Whether the supervising thread is alive and on time."""
        return self._thread.is_alive() and self._clock() - self._ticked_s < 5.0

    def statuses(self) -> list[tuple[Lease, SourceStatus]]:
        """Every camera's source, for the status hash. Any thread."""
        with self._lock:
            return [
                (slot.lease, slot.status(self._settings.instance)) for slot in self._slots.values()
            ]

    def _do(self, command: Callable[[], None]) -> None:
        self._commands.append(command)
        with suppress(OSError):  # full: it is awake anyway; closed: it has stopped
            self._wake_out.send(b"!")

    # Everything below runs on the supervisor's thread.

    def _run(self) -> None:
        try:
            multiprocessing.forkserver.ensure_running()
        except OSError as error:
            log.error("fork_server_not_started", error=str(error))
        stop_by_s: float | None = None
        while True:
            try:
                self._turn()
            except Exception:
                log.exception("supervisor_turn_failed")
                time.sleep(TICK_S)
            if not self._stopping:
                continue
            stop_by_s = stop_by_s or self._clock() + STOP_GRACE_S
            running = [slot for slot in self._slots.values() if slot.running is not None]
            if not running:
                return
            if self._clock() > stop_by_s:
                for slot in running:
                    log.warning("camera_process_killed", camera=slot.camera.id, why="did not stop")
                    self._kill(slot)
                return

    def _turn(self) -> None:
        """Wait for something to happen, then see to every camera."""
        running = [slot.running for slot in self._slots.values() if slot.running is not None]
        waited: list[Any] = [self._wake_in]
        for item in running:
            waited += [item.channel, item.process.sentinel]
        wait(waited, timeout=self._pause_s())
        self._ticked_s = self._clock()
        with suppress(OSError):
            self._wake_in.recv(4096)
        while self._commands:
            self._commands.popleft()()
        for slot in list(self._slots.values()):
            self._listen(slot)
            self._watch(slot)
            if slot.restart_s is not None and self._ticked_s >= slot.restart_s:
                self._start(slot)

    def _pause_s(self) -> float:
        due = [s.restart_s for s in self._slots.values() if s.restart_s is not None]
        return min(TICK_S, max(0.0, min(due, default=float("inf")) - self._clock()))

    def _gain(self, camera: Camera, lease: Lease) -> None:
        if self._stopping:
            return
        settings = self._settings
        old = self._slots.get(camera.id)
        slot = CameraSlot(
            camera,
            lease,
            Backoff(settings.backoff_base_s, settings.backoff_cap_s, random.Random()),  # noqa: S311
        )
        if old is not None:
            # A new epoch: whatever the old process still writes is refused, so
            # it is ended. The counts belong to the camera and go on.
            self._kill(old)
            old.process_ended(None)
            slot.base, slot.was_started = old.base, old.was_started
            slot.report = Report(last_frame_ms=old.report.last_frame_ms)
        with self._lock:
            self._slots[camera.id] = slot
        self._metrics.camera_owner_epoch.labels(camera.id).set(lease.epoch)
        self._show_state(slot)

    def _lose(self, camera_id: str) -> None:
        with self._lock:
            slot = self._slots.pop(camera_id, None)
        if slot is not None:
            self._kill(slot)
        self._metrics.forget(camera_id)

    def _leave(self, camera_id: str) -> None:
        slot = self._slots.get(camera_id)
        if slot is None or slot.leaving:
            return
        slot.leaving, slot.restart_s = True, None
        if slot.running is not None:
            slot.running.channel.send(STOP)

    def _stay(self, camera_id: str) -> None:
        slot = self._slots.get(camera_id)
        if slot is not None and slot.leaving:
            slot.leaving = False
            if slot.running is not None:
                slot.ending = True  # it was told to, and is started anew once it has
            elif not slot.settled:
                slot.restart_s = self._clock()

    def _begin_stop(self) -> None:
        self._stopping = True
        for slot in self._slots.values():
            slot.restart_s = None
            if slot.running is not None:
                slot.running.channel.send(STOP)

    def _start(self, slot: CameraSlot) -> None:
        slot.restart_s = None
        job = CameraJob(
            slot.camera.SerializeToString(),
            slot.lease.fence,
            self._settings,
            first_index=slot.report.sampled,
            interrupted=slot.was_started,
        )
        ours, theirs = Channel.pair()
        try:
            process = self._context.Process(
                target=camera_process.run, args=(job, theirs), name="camera", daemon=True
            )
            process.start()
        except (OSError, EOFError) as error:
            ours.close()
            log.error("camera_process_not_started", camera=slot.camera.id, error=str(error))
            slot.restart_s = self._clock() + slot.backoff.next()
            return
        finally:
            theirs.close()
        now_s = self._clock()
        slot.running = Running(process, Channel(ours), now_s, now_s)
        slot.was_started = True
        log.info("camera_process_started", camera=slot.camera.id, pid=process.pid)

    def _listen(self, slot: CameraSlot) -> None:
        running = slot.running
        if running is None:
            return
        while True:
            message = running.channel.receive()
            if not isinstance(message, bytes):
                return
            try:
                report = Report.from_bytes(message)
            except (ValueError, TypeError):
                log.error("report_unreadable", camera=slot.camera.id)
                continue
            running.heard_s = self._clock()
            self._take(slot, report)

    def _take(self, slot: CameraSlot, report: Report) -> None:
        before, camera_id = slot.report, slot.camera.id
        if report.last_frame_ms == 0:
            report = replace(report, last_frame_ms=before.last_frame_ms)
        with self._lock:
            slot.report = report
        frames = self._metrics.frames
        for outcome, count in (
            ("encoded", report.published - before.published),
            ("dropped_stale", report.dropped - before.dropped),
            ("decode_error", report.decode_errors - before.decode_errors),
        ):
            if count > 0:
                frames.labels(camera_id, outcome).inc(count)
        if report.fenced and not before.fenced:
            self._metrics.fenced_writes.inc()
            log.warning("camera_fenced", camera=camera_id, epoch=slot.lease.epoch)
        if (report.state, report.error) != (before.state, before.error):
            self._show_state(slot)

    def _watch(self, slot: CameraSlot) -> None:
        """Kill what is stuck, and see to what has ended."""
        running = slot.running
        if running is None:
            return
        now_s = self._clock()
        if running.process.exitcode is None:
            if not running.stuck and now_s - running.heard_s > self._settings.watchdog_s:
                running.stuck = True
                log.warning("camera_process_killed", camera=slot.camera.id, why="stuck")
                running.process.kill()
            return
        self._listen(slot)  # its last words
        exitcode = running.process.exitcode
        self._release(slot)
        ending, slot.ending = slot.ending, False
        if self._stopping or slot.leaving or slot.settled or ending:
            slot.process_ended(None)
            if ending and not slot.settled:
                slot.restart_s = now_s
            return
        if now_s - running.started_s >= self._settings.stable_s:
            slot.backoff.reset()
        with self._lock:
            slot.process_ended(STALLED if running.stuck else _fault_of(exitcode, slot.report))
        slot.restart_s = now_s + slot.backoff.next()
        self._show_state(slot)

    def _kill(self, slot: CameraSlot) -> None:
        # Not waited for: the kernel may take its time, and fencing covers that.
        if slot.running is not None:
            slot.running.process.kill()
            self._release(slot)

    def _release(self, slot: CameraSlot) -> None:
        if slot.running is None:
            return
        slot.running.channel.close()
        with suppress(ValueError):  # it is still dying: multiprocessing reaps it later
            slot.running.process.close()
        slot.running = None

    def _show_state(self, slot: CameraSlot) -> None:
        report, camera_id = slot.report, slot.camera.id
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


def _fault_of(exitcode: int, report: Report) -> SourceFault:
    """Why a camera process ended without being asked to."""
    if exitcode < 0 and -exitcode in _CRASHES:
        return SourceFault(
            SOURCE_ERROR_CODEC, f"the reader crashed (signal {-exitcode}) and was started anew"
        )
    if exitcode > 0 and report.message:
        return SourceFault(cast(SourceError, report.error), report.message)
    return SourceFault(
        SOURCE_ERROR_UNSPECIFIED, f"the reader went away (exit {exitcode}) and was started anew"
    )
