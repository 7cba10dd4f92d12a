"""One picture: a decoded frame becomes a JPEG of the size that the model wants."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

MAX_SIDE = 4096
TICK = Fraction(1, 1000)


@dataclass(frozen=True, slots=True)
class FrameSize:
    """Width and height in pixels, or only the longest side (then `height` is None)."""

    width: int
    height: int | None

    @classmethod
    def parse(cls, text: str) -> FrameSize:
        """From `384x384` or `384`. Raises ValueError."""
        match = re.fullmatch(r"(\d{1,4})(?:x(\d{1,4}))?", text.strip().lower())
        if match is None:
            raise ValueError("must be WIDTHxHEIGHT or one number, in pixels")
        width = int(match[1])
        height = None if match[2] is None else int(match[2])
        if not all(16 <= side <= MAX_SIDE for side in (width, height or width)):
            raise ValueError(f"sides must be between 16 and {MAX_SIDE} pixels")
        return cls(width, height)

    def of(self, width: int, height: int) -> tuple[int, int]:
        """The size to give a picture of `width` x `height`."""
        if self.height is not None:
            return self.width, self.height
        scale = self.width / max(width, height)
        # Chroma is halved in a JPEG: even sides need no padding.
        return _even(width * scale), _even(height * scale)


def _even(side: float) -> int:
    return max(2, round(side / 2) * 2)


class JpegEncoder:
    """Resizes and encodes. One thread's own; keeps its codec between frames.

    FFmpeg's encoder rather than an imaging library: it takes the decoder's own
    planes (no trip through RGB), and at equal size its pictures are as good.
    """

    def __init__(self, size: FrameSize, quality: int) -> None:
        self._size = size
        # FFmpeg's quantiser runs from 2 (best) to 31.
        self._quantiser = round(2 + (100 - quality) * 29 / 99)
        self._reformatter = VideoReformatter()
        self._codec: VideoCodecContext | None = None
        self._count = 0  # the encoder wants rising timestamps, whatever they say

    def encode(self, frame: VideoFrame) -> bytes:
        """A baseline JPEG. Raises `av.FFmpegError`."""
        width, height = self._size.of(frame.width, frame.height)
        small = self._reformatter.reformat(
            frame,
            width,
            height,
            "yuvj420p",
            interpolation=Interpolation.BICUBIC,
            dst_color_range=ColorRange.JPEG,
            threads=1,
        )
        small.pts, small.time_base = self._count, TICK
        self._count += 1
        if self._codec is None or (self._codec.width, self._codec.height) != (width, height):
            self._codec = self._make_codec(width, height)
        return b"".join(bytes(packet) for packet in self._codec.encode(small))

    def _make_codec(self, width: int, height: int) -> VideoCodecContext:
        codec = av.CodecContext.create("mjpeg", "w")
        codec.width, codec.height = width, height
        codec.pix_fmt = "yuvj420p"
        codec.time_base = TICK
        codec.qmin = codec.qmax = self._quantiser
        codec.thread_count = 1  # more would hold frames back
        return codec
