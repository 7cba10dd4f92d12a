"""One picture: a decoded frame becomes a JPEG, upright, in proportion and in true colours."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange

from services.decoder.conversion import SQUARE, Conversion, Form
from services.decoder.corrections import NO_CORRECTIONS, Corrections

MAX_SIDE = 4096
TICK = Fraction(1, 1000)


@dataclass(frozen=True, slots=True)
class FrameSize:
    """A bound on pixels, as width times height, or only the longest side (`height` is None).

    A picture keeps its proportions either way.
    """

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

    @property
    def pixels(self) -> int:
        """The most pixels of a picture in the usual proportions."""
        return self.width * (self.width * 9 // 16 if self.height is None else self.height)

    def of(self, width: float, height: float) -> tuple[int, int]:
        """The size to give a picture of `width` x `height`."""
        longest = max(width, height)
        if self.height is None:
            scale = self.width / longest
        else:
            # A smaller picture is not enlarged: that would cost bytes and show nothing more.
            room = math.sqrt(self.width * self.height / (width * height))
            scale = min(1.0, room, MAX_SIDE / longest)
        # Chroma is halved in a JPEG: even sides need no padding.
        return _even(width * scale), _even(height * scale)


def _even(side: float) -> int:
    return max(2, round(side / 2) * 2)


class JpegEncoder:
    """Converts and encodes. One thread's own; keeps what it made for one form of frames.

    FFmpeg's encoder rather than an imaging library: it takes the decoder's own
    planes (no trip through RGB), and at equal size its pictures are as good.
    """

    def __init__(
        self, size: FrameSize, quality: int, corrections: Corrections = NO_CORRECTIONS
    ) -> None:
        """`corrections`: those of turn and colour."""
        self._size = size
        self._corrections = corrections
        # FFmpeg's quantiser runs from 2 (best) to 31.
        self._quantiser = round(2 + (100 - quality) * 29 / 99)
        self._form: Form | None = None
        self._conversion: Conversion | None = None
        self._codec: VideoCodecContext | None = None
        self._count = 0  # the encoder wants rising timestamps, whatever they say

    @property
    def form(self) -> Form | None:
        """The form of the frame that was converted last."""
        return self._form

    def size_of(self, form: Form) -> tuple[int, int]:
        """Width and height of the JPEGs that are made of frames of this form."""
        return self._size.of(*form.shown_size)

    def encode(self, frame: VideoFrame, pixel_aspect: Fraction = SQUARE) -> bytes:
        """A baseline JPEG. `pixel_aspect`: width by height of the frame's pixels.

        Raises `av.FFmpegError`, and `Unsupported` for a form of picture that cannot be shown.
        """
        form = Form.of(frame, pixel_aspect, self._corrections)
        if self._conversion is None or form != self._form:
            self._conversion = Conversion(form, self.size_of(form))
            self._form = form
        picture = self._conversion.convert(frame)
        picture.pts, picture.time_base = self._count, TICK
        self._count += 1
        if self._codec is None or (self._codec.width, self._codec.height) != (
            picture.width,
            picture.height,
        ):
            self._codec = self._make_codec(picture.width, picture.height)
        return b"".join(bytes(packet) for packet in self._codec.encode(picture))

    def _make_codec(self, width: int, height: int) -> VideoCodecContext:
        codec = av.CodecContext.create("mjpeg", "w")
        codec.width, codec.height = width, height
        codec.pix_fmt = "yuv420p"
        codec.color_range = ColorRange.JPEG
        codec.time_base = TICK
        codec.qmin = codec.qmax = self._quantiser
        codec.thread_count = 1  # more would hold frames back
        return codec
