"""How a frame's numbers become colours: by its tags, or as players guess where it has none."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, ColorTrc

from hermes.errors import Unsupported

HD_LINES = 720
"""An untagged picture with this many lines is BT.709, one with fewer BT.601."""


class Matrix(IntEnum):
    """The matrices between RGB and YUV that can be converted, by their numbers in the standards."""

    RGB = 0
    BT709 = 1
    FCC = 4
    BT470BG = 5  # BT.601, 625 lines
    SMPTE170M = 6  # BT.601, 525 lines: the same numbers
    SMPTE240M = 7
    YCGCO = 8
    BT2020NC = 9

    @property
    def filter_name(self) -> str:
        """What the library's filters call it."""
        return self.name.lower()


_UNSUPPORTED = {
    10: "BT.2020 with constant luminance",
    11: "SMPTE 2085",
    12: "chromaticity-derived YUV",
    13: "chromaticity-derived YUV with constant luminance",
    14: "ICtCp",
    15: "IPT-C2",
    16: "YCgCo-Re",
    17: "YCgCo-Ro",
}


class Transfer(IntEnum):
    """The curves between light and code values that make a difference here."""

    SDR = 0
    PQ = ColorTrc.SMPTE2084
    HLG = ColorTrc.ARIB_STD_B67


@dataclass(frozen=True, slots=True)
class Colour:
    """The colour coding of a frame."""

    matrix: Matrix
    full_range: bool
    transfer: Transfer = Transfer.SDR

    @classmethod
    def of(
        cls, frame: VideoFrame, matrix: Matrix | None = None, full_range: bool | None = None
    ) -> Colour:
        """`matrix`, `full_range`: what counts in place of the tags.

        Raises `Unsupported`, which names the coding.
        """
        name = frame.format.name
        if full_range is None:
            full_range = frame.color_range == ColorRange.JPEG or name.startswith("yuvj")
        transfer = Transfer.SDR
        if frame.color_trc in (Transfer.PQ, Transfer.HLG):
            transfer = Transfer(frame.color_trc)
        if frame.format.is_rgb or frame.format.has_palette or frame.format.is_bayer:
            return cls(Matrix.RGB, True, transfer)
        return cls(_matrix_of(frame) if matrix is None else matrix, full_range, transfer)


def _matrix_of(frame: VideoFrame) -> Matrix:
    tag = int(frame.colorspace)
    if tag in _UNSUPPORTED:
        raise Unsupported(f"its colours are coded as {_UNSUPPORTED[tag]}, which is not supported")
    # YUV that is tagged as RGB, or with a number that means nothing, is as good as untagged.
    if tag == Matrix.RGB or tag not in set(Matrix):
        return Matrix.BT709 if frame.height >= HD_LINES else Matrix.SMPTE170M
    return Matrix(tag)
