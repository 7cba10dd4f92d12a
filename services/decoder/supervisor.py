"""The supervisor: one process per camera, started, watched, and killed when it is stuck.

A single thread that never waits for a camera process: it reads their reports
without blocking, and everything it does to them is a signal. It never talks to
Redis, so that a slow Redis cannot hold up the watchdog. What goes wrong while
it sees to one camera is that camera's fault, and the others are seen to.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import Any

from hermes.v1.camera_pb2 import Camera, SourceState, SourceStatus
from services.common import logs
from services.common.camera_status import Fields
from services.common.heartbeats import Heartbeat, Heartbeats
from services.common.holder import FINISHED
from services.common.leases import Lease
from services.common.metrics import Metrics
from services.decoder.commands import Commands
from services.decoder.fork_server import ForkServer, Launcher
from services.decoder.settings import DecoderSettings
from services.decoder.supervised_camera import SupervisedCamera
from services.decoder.suspensions import Suspensions

log = logs.get(__name__)

TICK_S = 0.25
ROUND_LIMIT_S = 20.0
"""Starting a process waits until the fork server has imported everything: seconds, not more."""

STOP_GRACE_S = 4.0
"""Asked to stop, camera processes get this long to publish what they hold."""


class Supervisor:
    """Runs the processes of the cameras that it is given: an `ownership.Holder`."""

    def __init__(
        self,
        settings: DecoderSettings,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
        *,
        heartbeats: Heartbeats | None = None,
        launcher: Launcher | None = None,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._heartbeats = heartbeats or Heartbeats()
        self._heartbeat: Heartbeat | None = None
        self._launcher = launcher or ForkServer()
        self._cameras: dict[str, SupervisedCamera] = {}
        self._commands = Commands()
        self._suspensions = Suspensions(clock)
        self._lock = threading.Lock()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    # What the ownership thread calls. All of it is done on our own thread.

    def gained(self, camera: Camera, lease: Lease) -> None:
        """Read this camera from now on, under this epoch."""
        self._do(camera.id, lambda: self._gain(camera, lease))

    def lost(self, camera_id: str) -> None:
        """Stop reading this camera at once."""
        self._do(camera_id, lambda: self._lose(camera_id))

    def removed(self, camera: Camera) -> None:
        """Nothing is kept of it."""

    def prepare(self, camera: Camera) -> None:
        """Nothing: a second reader of a source before the first has ended is one too many."""

    def prepared(self, camera_id: str) -> bool:
        """A camera can be read at any moment."""
        return True

    def leave(self, camera_id: str) -> bool:
        """Let the camera's process publish what it holds, and end."""
        self._do(camera_id, lambda: self._leave(camera_id))
        with self._lock:
            camera = self._cameras.get(camera_id)
        return camera is None or camera.left

    def stay(self, camera_id: str) -> None:
        """Read it again."""
        self._do(camera_id, lambda: self._stay(camera_id))

    def state(self, camera_id: str) -> str:
        """The source's state, in lower case: `online`, `offline`, ...; or `FINISHED`."""
        with self._lock:
            camera = self._cameras.get(camera_id)
        if camera is not None and camera.finished:
            return FINISHED
        number = 0 if camera is None else camera.state
        return SourceState.Name(number).removeprefix("SOURCE_STATE_").lower()

    def do(self, work: Callable[[], None]) -> None:
        """Have `work` done on the thread that starts processes. It does not wait. Any thread."""
        self._commands.put(work)

    def start(self) -> None:
        """Begin to supervise."""
        self._heartbeat = self._heartbeats.add("supervisor", ROUND_LIMIT_S)
        self._thread.start()

    def stop(self) -> None:
        """Stop every camera process, kill what takes too long, and return when all are gone."""
        self._commands.put(self._begin_stop)
        self._thread.join(STOP_GRACE_S + 5.0)
        self._commands.close()
        if self._heartbeat is not None:
            self._heartbeats.remove(self._heartbeat)

    @property
    def healthy(self) -> bool:
        """Whether the supervising thread is alive and on time."""
        heartbeat = self._heartbeat
        return self._thread.is_alive() and heartbeat is not None and not heartbeat.late

    def statuses(self) -> list[tuple[Lease, SourceStatus]]:
        """Every camera's source. Any thread."""
        return [(camera.lease, camera.status()) for camera in self._all()]

    def fields(self) -> list[tuple[Lease, Fields]]:
        """What to write into every camera's status hash. Any thread."""
        return [(camera.lease, camera.fields()) for camera in self._all()]

    def _all(self) -> list[SupervisedCamera]:
        with self._lock:
            return list(self._cameras.values())

    def _do(self, camera_id: str, command: Callable[[], None]) -> None:
        def contained() -> None:
            with self._blamed_on(camera_id):
                command()

        self._commands.put(contained)

    # Everything below runs on the supervisor's thread.

    def _run(self) -> None:
        assert self._heartbeat is not None
        self._launcher.start()
        stop_by_s: float | None = None
        while True:
            try:
                self._turn()
                self._heartbeat.beat()
            except Exception:
                log.exception("supervisor_turn_failed")
                time.sleep(TICK_S)
            if not self._stopping:
                continue
            stop_by_s = stop_by_s or self._clock() + STOP_GRACE_S
            running = [camera for camera in self._cameras.values() if camera.running]
            if not running:
                return
            if self._clock() > stop_by_s:
                for camera in running:
                    log.warning(
                        "camera_process_killed", camera=camera.camera.id, why="did not stop"
                    )
                    camera.kill()
                return

    def _turn(self) -> None:
        """Wait for something to happen, then see to every camera."""
        waited: list[Any] = [self._commands]
        for camera in self._cameras.values():
            waited += camera.waitables()
        wait(waited, timeout=self._pause_s())
        for command in self._commands.take_all():
            command()
        if self._suspensions.take() > 0:
            for camera in self._cameras.values():
                camera.excuse(self._clock())
        for camera_id, camera in self._cameras.items():
            with self._blamed_on(camera_id):
                camera.see_to(self._launcher, self._clock())

    def _pause_s(self) -> float:
        due = [c.restart_s for c in self._cameras.values() if c.restart_s is not None]
        return min(TICK_S, max(0.0, min(due, default=float("inf")) - self._clock()))

    @contextmanager
    def _blamed_on(self, camera_id: str) -> Iterator[None]:
        """Take an exception for a fault of this camera: the others are seen to all the same."""
        try:
            yield
        except Exception as error:
            log.exception("camera_not_supervised", camera=camera_id)
            camera = self._cameras.get(camera_id)
            if camera is not None:
                camera.failed(error, self._clock())

    def _gain(self, camera: Camera, lease: Lease) -> None:
        if self._stopping:
            return
        gained = SupervisedCamera(camera, lease, self._settings, self._metrics)
        old = self._cameras.get(camera.id)
        if old is not None:
            gained.succeed(old)
        with self._lock:
            self._cameras[camera.id] = gained
        gained.show()

    def _lose(self, camera_id: str) -> None:
        with self._lock:
            camera = self._cameras.pop(camera_id, None)
        if camera is not None:
            camera.kill()
        self._metrics.forget(camera_id)

    def _leave(self, camera_id: str) -> None:
        camera = self._cameras.get(camera_id)
        if camera is not None:
            camera.leave()

    def _stay(self, camera_id: str) -> None:
        camera = self._cameras.get(camera_id)
        if camera is not None:
            camera.stay(self._clock())

    def _begin_stop(self) -> None:
        self._stopping = True
        for camera_id, camera in self._cameras.items():
            with self._blamed_on(camera_id):
                camera.stop()
