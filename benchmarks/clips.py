"""Clips as surveillance cameras send them: a room that stands still, people in it, sensor noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

RATE = 25
LEARNED = 4
"""Key frames from whose intervals a decoder knows when the next one comes."""

_X264 = "scenecut=0:repeat-headers=1"
_X265 = "log-level=none:scenecut=0:open-gop=0:repeat-headers=1"


@dataclass(frozen=True, slots=True)
class Kind:
    """A camera's stream. `group_s`: seconds from key frame to key frame; `rate`: of bits."""

    codec: str
    width: int
    height: int
    group_s: int
    rate: int
    b_frames: int = 0

    @property
    def name(self) -> str:
        """For people."""
        size = f"{'4K' if self.height > 1080 else f'{self.height}p'}{RATE}"
        code = {"libx264": "H.264", "libx265": "H.265"}[self.codec]
        extra = f", {self.b_frames} B-frames" if self.b_frames else ""
        return f"{size} {code}, a key frame each {self.group_s} s{extra}"


@dataclass(frozen=True, slots=True)
class Clip:
    """A file, and the seconds of it that are measured: before them its groups are empty, so that
    the interval of its key frames is known at little cost."""

    path: Path
    from_s: float
    to_s: float

    @property
    def seconds(self) -> float:
        """How long that is."""
        return self.to_s - self.from_s


def film(folder: Path, kind: Kind, seconds: int) -> Clip:
    """One group is encoded, and repeated."""
    group = _encode(folder / "group.mkv", kind)
    path = folder / "clip.mkv"
    from_s = LEARNED * kind.group_s
    with av.open(group) as source, av.open(path, "w") as made:
        coded = source.streams.video[0]
        unit = coded.time_base
        assert unit is not None
        stream = made.add_stream_from_template(coded)
        packets = [packet for packet in source.demux(coded) if packet.size]
        starts = [(n * kind.group_s, n >= LEARNED) for n in range(LEARNED)]
        starts += [(from_s + n * kind.group_s, True) for n in range(seconds // kind.group_s)]
        starts.append((from_s + seconds, False))
        for start_s, whole in starts:
            for packet in packets if whole else packets[:1]:
                copy = av.Packet(bytes(packet))
                shift = int(start_s / unit)
                copy.pts, copy.dts = (packet.pts or 0) + shift, (packet.dts or 0) + shift
                copy.time_base, copy.stream = unit, stream
                copy.is_keyframe = packet.is_keyframe
                made.mux(copy)
    group.unlink()
    return Clip(path, from_s, from_s + seconds)


def pictures(width: int, height: int, count: int) -> Iterator[VideoFrame]:
    """A room, twelve people, noise."""
    random = np.random.default_rng(0)
    rough = random.integers(40, 200, (height // 24 + 2, width // 24 + 2), dtype=np.uint8)
    room = np.kron(rough, np.ones((24, 24), np.uint8))[:height, :width] // 2 + 50
    fine = random.integers(0, 24, (height, width), dtype=np.uint8)
    room = room + fine
    noise = random.integers(0, 5, (4, height, width), dtype=np.uint8)
    tall, wide = height // 4, width // 16
    people = [
        (random.integers(0, 255, (tall, wide), dtype=np.uint8) // 3 + 60, *random.random(3))
        for _ in range(12)
    ]
    for number in range(count):
        grey = room + noise[number % 4]
        for texture, across, down, speed in people:
            left = int((across + (speed - 0.5) * number / 250) % 1 * (width - wide))
            top = int(down * (height - tall))
            grey[top : top + tall, left : left + wide] = texture
        yield _frame(grey)


def _frame(grey: NDArray[np.uint8]) -> VideoFrame:
    return VideoFrame.from_ndarray(grey, format="gray8").reformat(format="yuv420p")


def _encode(path: Path, kind: Kind) -> Path:
    with av.open(path, "w") as container:
        stream = container.add_stream(kind.codec, rate=RATE)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = kind.width, kind.height, "yuv420p"
        stream.time_base = Fraction(1, RATE)
        stream.bit_rate = kind.rate
        frames = kind.group_s * RATE
        group = f"keyint={frames}:min-keyint={frames}:bframes={kind.b_frames}"
        library, own = ("x264", _X264) if kind.codec == "libx264" else ("x265", _X265)
        # The fastest setting of x264 leaves out what cameras use, and what costs to decode.
        preset = "superfast" if library == "x264" else "ultrafast"
        stream.options = {"preset": preset, f"{library}-params": f"{own}:{group}"}
        for index, picture in enumerate(pictures(kind.width, kind.height, frames)):
            picture.pts, picture.time_base = index, Fraction(1, RATE)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path
