"""Streams that were joined in the middle, cut or damaged, and the pictures they were made from."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

WIDTH, HEIGHT, RATE, FRAMES, GROUP = 160, 96, 10, 90, 30
Luma = NDArray[np.uint8]

_X264 = f"scenecut=0:aud=1:repeat-headers=1:keyint={GROUP}:min-keyint={GROUP}"
_X265 = (
    "log-level=none:pools=none:frame-threads=1:scenecut=0:repeat-headers=1"
    f":keyint={GROUP}:min-keyint={GROUP}"
)

STREAMS: dict[str, tuple[str, dict[str, str]]] = {
    "h264": ("libx264", {"x264-params": f"{_X264}:bframes=0"}),
    "h264-b": ("libx264", {"x264-params": f"{_X264}:bframes=3:b-adapt=0"}),
    "h264-open": ("libx264", {"x264-params": f"{_X264}:bframes=3:b-adapt=0:open-gop=1"}),
    "h264-slices": ("libx264", {"x264-params": f"{_X264}:bframes=0:slices=4"}),
    "h264-refresh": ("libx264", {"x264-params": f"{_X264}:bframes=0:intra-refresh=1"}),
    "h264-refresh-b": ("libx264", {"x264-params": f"{_X264}:bframes=3:intra-refresh=1"}),
    "h265": ("libx265", {"x265-params": f"{_X265}:bframes=0:open-gop=0"}),
    "h265-open": ("libx265", {"x265-params": f"{_X265}:bframes=3:open-gop=1"}),
}


def film(path: Path, name: str) -> Path:
    """A moving texture, coded as `STREAMS` says."""
    codec, options = STREAMS[name]
    texture = np.random.default_rng(0).integers(40, 200, (HEIGHT, 3 * WIDTH), dtype=np.uint8)
    with av.open(path, "w", format={".ts": "mpegts"}.get(path.suffix)) as container:
        stream = container.add_stream(codec, rate=RATE)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.thread_count = 1
        stream.options = {"preset": "veryfast", **options}
        for index in range(FRAMES):
            grey = np.ascontiguousarray(np.roll(texture, 3 * index, axis=1)[:, :WIDTH])
            frame = VideoFrame.from_ndarray(grey, format="gray").reformat(
                format="yuv420p", src_color_range="JPEG", dst_color_range="JPEG"
            )
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def luma(frame: VideoFrame) -> Luma:
    """The brightness of each pixel."""
    plane = frame.planes[0]
    rows = np.frombuffer(bytes(plane), np.uint8).reshape(-1, plane.line_size)
    seen: Luma = rows[: frame.height, : frame.width].copy()
    return seen


def shown(path: Path) -> list[Luma]:
    """Every frame of an intact file."""
    with av.open(path) as container:
        return [luma(frame) for frame in container.decode(video=0)]


def changed(
    path: Path, into: Path, change: Callable[[int, Packet[VideoStream]], bytes | None]
) -> Path:
    """A copy in which each packet holds what `change` makes of it, or is left out (None)."""
    with (
        av.open(path) as source,
        av.open(into, "w", format={".ts": "mpegts"}.get(into.suffix)) as container,
    ):
        given = source.streams.video[0]
        taken = container.add_stream_from_template(given)
        for index, packet in enumerate(source.demux(given)):
            if packet.size == 0 or (data := change(index, packet)) is None:
                continue
            copy = Packet(data)
            copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
            copy.is_keyframe, copy.stream = packet.is_keyframe, taken
            container.mux(copy)
    return into


def joined(index: int, packet: Packet[VideoStream]) -> bytes | None:
    """Opened in the middle of the first group."""
    return None if index < GROUP // 2 else bytes(packet)


def lost(index: int, packet: Packet[VideoStream]) -> bytes | None:
    """A packet of the second group never came."""
    return None if index == GROUP + 10 else bytes(packet)


def torn(index: int, packet: Packet[VideoStream]) -> bytes | None:
    """Half of a packet came."""
    return bytes(packet)[: packet.size // 2] if index == GROUP + 10 else bytes(packet)


def zeroed(index: int, packet: Packet[VideoStream]) -> bytes | None:
    """A part of a packet was never written."""
    data = bytearray(bytes(packet))
    if index == GROUP + 10:
        data[len(data) // 2 : len(data) // 2 + 40] = bytes(40)
    return bytes(data)


def unfinished(index: int, packet: Packet[VideoStream]) -> bytes | None:
    """The end of a packet was never written, and a byte of it is one."""
    data = bytearray(bytes(packet))
    if index == GROUP + 10:
        data[-40:] = bytes(20) + b"\1" + bytes(19)
    return bytes(data)


def interrupted(path: Path, into: Path) -> Path:
    """A transport stream without one packet of its video, in the middle of the second group."""
    data = path.read_bytes()
    packets = [data[start : start + 188] for start in range(0, len(data), 188)]
    video = [n for n, packet in enumerate(packets) if packet[1] & 0x1F == 1 and packet[2] == 0]
    del packets[video[len(video) * 45 // 100]]
    into.write_bytes(b"".join(packets))
    return into
