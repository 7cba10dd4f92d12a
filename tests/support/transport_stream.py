"""Transport streams whose timestamps a test chooses, and a server that sends them as live ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

PACKET = 188
CLOCK_HZ = 90_000

Stamp = Callable[[int], "int | None"]
"""Gives frame number N its timestamp, in units of `CLOCK_HZ`; None leaves it without one."""


def restamped(path: Path, stamp: Stamp) -> list[bytes]:
    """The stream, cut before each frame, with other timestamps. It must have no B-frames."""
    data = bytearray(path.read_bytes())
    frames: list[bytes] = []
    began = 0
    for at in range(0, len(data), PACKET):
        pes = _video_pes(data, at)
        if pes is None:
            continue
        if frames or at > began:
            frames.append(bytes(data[began:at]))
            began = at
        number = len(frames) - 1 if frames else 0
        _write(data, pes, stamp(number))
    # What comes before the first frame belongs to it.
    frames.append(bytes(data[began:]))
    return [frames[0] + frames[1], *frames[2:]]


def _video_pes(data: bytearray, at: int) -> int | None:
    """Where in the packet a frame's header begins, if one does."""
    if not data[at + 1] & 0x40:
        return None
    start = at + 4 + (1 + data[at + 4] if data[at + 3] & 0x20 else 0)
    return start if data[start : start + 4] == b"\0\0\1\xe0" else None


def _write(data: bytearray, pes: int, time: int | None) -> None:
    first, length = pes + 9, data[pes + 8]
    data[pes + 7] &= 0x3F
    data[first : first + length] = b"\xff" * length  # stuffing
    if time is None:
        return
    data[pes + 7] |= 0x80
    time %= 1 << 33
    data[first : first + 5] = bytes(
        [
            0x21 | time >> 29 & 0x0E,
            time >> 22 & 0xFF,
            1 | time >> 14 & 0xFE,
            time >> 7 & 0xFF,
            1 | time << 1 & 0xFE,
        ]
    )


class LiveStreams:
    """An HTTP server that sends each viewer the frames one by one. A context manager."""

    def __init__(self, streams: dict[str, list[bytes]], rate: float) -> None:
        self._streams = streams
        self._rate = rate

    def __enter__(self) -> Self:
        streams, rate = self._streams, self._rate

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "video/mp2t")
                self.end_headers()
                began_s = time.monotonic()
                with suppress(OSError):  # the viewer left
                    for number, frame in enumerate(streams[self.path.strip("/")]):
                        time.sleep(max(0.0, began_s + number / rate - time.monotonic()))
                        self.wfile.write(frame)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def url(self, name: str) -> str:
        """Of one stream."""
        return f"http://127.0.0.1:{self._server.server_port}/{name}"

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
