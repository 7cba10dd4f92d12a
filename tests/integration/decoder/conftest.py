"""Real sources: video files, an HTTP server, and GStreamer's RTSP server."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.cli.redis_server import free_port
from tests.support import video
from tests.support.decoder_service import DecoderService

SYSTEM_PYTHON = "/usr/bin/python3"
SCRIPT = Path(video.__file__).with_name("rtsp_server.py")
RATE = 10


class RtspServer:
    """GStreamer's RTSP server as a process that can be stopped, paused and started again."""

    def __init__(self, media: Path, credentials: str = "") -> None:
        self.port = free_port()
        self._args = [str(media), str(RATE), *([credentials] if credentials else [])]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [SYSTEM_PYTHON, str(SCRIPT), str(self.port), *self._args],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"

    def url(self, credentials: str = "") -> str:
        user = f"{credentials}@" if credentials else ""
        return f"rtsp://{user}127.0.0.1:{self.port}/live"

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture(scope="session")
def _gstreamer() -> None:
    probe = (
        "import gi; gi.require_version('GstRtspServer', '1.0');"
        "from gi.repository import Gst, GstRtspServer; Gst.init(None);"
        "assert all(map(Gst.ElementFactory.find, ('appsrc', 'h264parse', 'rtph264pay')))"
    )
    try:
        subprocess.run([SYSTEM_PYTHON, "-c", probe], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(
            "no RTSP server: gir1.2-gst-rtsp-server-1.0, gstreamer1.0-plugins-{base,good,bad}"
        )


@pytest.fixture(scope="session")
def stream_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return video.write(tmp_path_factory.mktemp("rtsp") / "loop.h264", 40, rate=RATE)


@pytest.fixture
def rtsp(_gstreamer: None, stream_file: Path) -> Iterator[Callable[..., RtspServer]]:
    """Starts RTSP servers."""
    servers: list[RtspServer] = []

    def start(credentials: str = "") -> RtspServer:
        servers.append(RtspServer(stream_file, credentials))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.kill()


@pytest.fixture
def decoder(redis_url: str, redis_client: object, tmp_path: Path) -> Iterator[DecoderService]:
    """A running decoder on an empty Redis."""
    with DecoderService(redis_url, tmp_path / "decoder") as service:
        yield service
