"""Frames and clips of known colours, coded in every way that cameras use.

The numbers are worked out here, from the standards, and not by the library under test.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

Rgb = tuple[int, int, int]

COLOURS: tuple[Rgb, ...] = (
    (30, 200, 30),
    (200, 30, 30),
    (30, 30, 200),
    (128, 128, 128),
    (255, 255, 255),
    (0, 0, 0),
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (210, 170, 140),
    (90, 110, 20),
)

_WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
"""Of red and blue in luma, by the number of the matrix (ITU-T H.273)."""

BT709, BT601, BT2020 = 1, 6, 9
UNTAGGED = 2


@dataclass(frozen=True)
class Coding:
    """How colours become numbers: the matrix, the range and the pixel format."""

    matrix: int
    full_range: bool = False
    pixel_format: str = "yuv420p"

    @property
    def bits(self) -> int:
        return 10 if "10" in self.pixel_format else 8

    def levels(self, rgb: Sequence[float]) -> list[int]:
        """Y, Cb and Cr of a colour, of which each part is between 0 and 1."""
        of_red, of_blue = _WEIGHTS[self.matrix]
        red, green, blue = rgb
        luma = of_red * red + (1 - of_red - of_blue) * green + of_blue * blue
        chroma = ((blue - luma) / (2 - 2 * of_blue), (red - luma) / (2 - 2 * of_red))
        most, step = (1 << self.bits) - 1, 1 << (self.bits - 8)
        if self.full_range:
            values = [luma * most, *(part * most + 128 * step for part in chroma)]
        else:
            values = [step * (16 + 219 * luma), *(step * (128 + 224 * part) for part in chroma)]
        return [min(most, round(value)) for value in values]


def frame(
    rgb: Sequence[float],
    coding: Coding,
    size: tuple[int, int] = (64, 48),
    *,
    tag: int | None = None,
    transfer: int = UNTAGGED,
    primaries: int = UNTAGGED,
) -> VideoFrame:
    """A frame of one colour (parts between 0 and 1). `tag`: the matrix that it claims to have."""
    made = VideoFrame(*size, coding.pixel_format)
    kind = np.uint16 if coding.bits > 8 else np.uint8
    for plane, level in zip(made.planes, coding.levels(rgb), strict=True):
        plane.update(np.full(plane.buffer_size // kind().itemsize, level, kind).tobytes())
    made.colorspace = coding.matrix if tag is None else tag
    made.color_range = 2 if coding.full_range else 1
    made.color_trc, made.color_primaries = transfer, primaries
    return made


def parts(rgb: Rgb) -> list[float]:
    """8-bit levels as parts of 1."""
    return [level / 255 for level in rgb]


def quarters(size: tuple[int, int] = (96, 64)) -> VideoFrame:
    """Red, green, blue and white, from the top left on, row by row."""
    width, height = size
    pixels = np.full((height, width, 3), 200, np.uint8)
    pixels[: height // 2, : width // 2] = (200, 30, 30)
    pixels[: height // 2, width // 2 :] = (30, 200, 30)
    pixels[height // 2 :, : width // 2] = (30, 30, 200)
    made = VideoFrame.from_ndarray(pixels).reformat(
        format="yuv420p", dst_colorspace="ITU601", dst_color_range="MPEG"
    )
    made.colorspace = BT601
    return made


def write(
    path: Path,
    frames: Iterable[VideoFrame],
    *,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    pixel_aspect: Fraction | None = None,
    turn: tuple[float, bool, bool] | None = None,
    tagged: bool = True,
) -> Path:
    """A clip of `frames`, ten a second, with their tags.

    `turn`: degrees counterclockwise, and whether it is mirrored in each direction.
    """
    pictures = list(frames)
    first = pictures[0]
    with av.open(path, "w", format={".ts": "mpegts"}.get(path.suffix)) as container:
        stream = container.add_stream(codec, rate=10)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = first.width, first.height, first.format.name
        context = stream.codec_context
        context.thread_count = 1
        if tagged:
            context.colorspace, context.color_range = first.colorspace, first.color_range
            context.color_trc = first.color_trc
            context.color_primaries = first.color_primaries
        if pixel_aspect is not None:
            context.sample_aspect_ratio = pixel_aspect
        if turn is not None:
            stream.set_display_rotation(*turn)
        quiet = {"x265-params": "log-level=none:pools=none:lossless=1"}
        lossless = quiet if codec == "libx265" else {"qp": "0"} if codec == "libx264" else {}
        stream.options = {**lossless, **(options or {})}
        for index, picture in enumerate(pictures):
            picture.pts, picture.time_base = index, Fraction(1, 10)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path
