"""Real H.264 files, tiny, made by the test that needs them."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
from av.video.frame import VideoFrame

WIDTH, HEIGHT = 96, 64


def picture(index: int, width: int = WIDTH, height: int = HEIGHT) -> VideoFrame:
    """A frame whose brightness tells its index: `brightness(index)` everywhere."""
    frame = VideoFrame(width, height, "yuv420p")
    for number, plane in enumerate(frame.planes):
        value = brightness(index) if number == 0 else 128
        plane.update(bytes([value]) * plane.buffer_size)
    return frame


def brightness(index: int) -> int:
    """Luma of the frame at `index`, 16 to 235; neighbours differ clearly."""
    return 16 + (index * 37) % 220


def write(
    path: Path,
    frames: int,
    *,
    rate: int = 10,
    times_ms: Iterable[int] | None = None,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    gop: int = 10,
    options: dict[str, str] | None = None,
) -> Path:
    """An H.264 video in the container that the suffix names (.mp4, .mkv, .ts, .h264).

    `times_ms`: presentation times, for a variable frame rate.
    """
    stamps = list(times_ms) if times_ms is not None else [i * 1000 // rate for i in range(frames)]
    kind = {".ts": "mpegts"}.get(path.suffix)
    container_options = {"movflags": "+faststart"} if path.suffix == ".mp4" else {}
    with av.open(path, "w", format=kind, options=container_options) as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, 1000)
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.codec_context.gop_size = gop
        stream.codec_context.thread_count = 1
        settings: dict[str, str] = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "x264-params": "repeat-headers=1:aud=1:scenecut=0",
        }
        stream.options = {**settings, **(options or {})}
        for index, ms in enumerate(stamps):
            frame = picture(index, *size)
            frame.pts, frame.time_base = ms, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
