"""An RTSP camera for tests: GStreamer's server as a process that can be killed and stalled."""

from __future__ import annotations

import os
import signal
import subprocess
from functools import cache
from pathlib import Path

import pytest

from services.cli.redis_server import free_port

SCRIPT = Path(__file__).with_name("rtsp_server.py")
PYTHON = "/usr/bin/python3"
"""GStreamer's bindings belong to the system's Python."""


@cache
def missing() -> str:
    """Why no server can be run here; empty if one can."""
    probe = "import gi; gi.require_version('GstRtspServer', '1.0')"
    if not os.access(PYTHON, os.X_OK):
        return "no system Python"
    done = subprocess.run([PYTHON, "-c", probe], capture_output=True, check=False)
    return "" if done.returncode == 0 else "GStreamer's RTSP server is not installed"


class RtspCamera:
    """Serves an Annex-B H.264 file, looped, at `url`, whenever it is up."""

    def __init__(self, video: Path, rate: int, login: str = "") -> None:
        if reason := missing():
            pytest.skip(reason)
        self.port = free_port()
        self._video = video
        self._rate = rate
        self._login = login
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"rtsp://127.0.0.1:{self.port}/live"

    def up(self) -> None:
        """Begin to serve."""
        command = [PYTHON, str(SCRIPT), str(self.port), str(self._video), str(self._rate)]
        self._process = subprocess.Popen(
            [*command, *([self._login] if self._login else [])], stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    def kill(self) -> None:
        """Gone, without a word."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None

    def stall(self) -> None:
        """Still connected, and silent."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """After `stall`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
