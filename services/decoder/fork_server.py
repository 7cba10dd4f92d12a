"""The fork server: starts camera processes in milliseconds."""

from __future__ import annotations

import multiprocessing
import multiprocessing.forkserver
import socket
from typing import Protocol

from services.common import logs
from services.decoder import camera_process, probe_process
from services.decoder.camera_child import CameraChild, Process
from services.decoder.camera_process import CameraJob
from services.decoder.probe_process import ProbeTask
from services.decoder.report import Channel

log = logs.get(__name__)

PRELOAD = ["services.decoder.preload"]


class Launcher(Protocol):
    """What starts camera processes. One thread's own."""

    def start(self) -> None:
        """Make ready. Called once."""
        ...

    def launch(self, job: CameraJob, now_s: float) -> CameraChild:
        """Start a camera's process. Raises OSError or EOFError if it cannot be started."""
        ...


class ForkServer:
    """A `Launcher` of real processes.

    The server has imported everything, so that a camera process shares those
    pages; and unlike a plain fork it copies no thread, lock or connection of
    this process.
    """

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")

    def start(self) -> None:
        """Begin to import in the background. What fails here is tried again by `launch`."""
        self._context.set_forkserver_preload(PRELOAD)
        try:
            multiprocessing.forkserver.ensure_running()
        except OSError as error:
            log.error("fork_server_not_started", error=str(error))

    def launch(self, job: CameraJob, now_s: float) -> CameraChild:
        """Start a camera's process. Raises OSError or EOFError if it cannot be started."""
        ours, theirs = Channel.pair()
        try:
            process = self._context.Process(
                target=camera_process.run, args=(job, theirs), name="camera", daemon=True
            )
            process.start()
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return CameraChild(process, Channel(ours), now_s)

    def launch_probe(self, task: ProbeTask, end: socket.socket) -> Process:
        """Start a probe's process. Raises OSError or EOFError if it cannot be started."""
        process = self._context.Process(
            target=probe_process.run, args=(task, end), name="probe", daemon=True
        )
        process.start()
        return process
