"""The conversion of frames of one form: upright, in proportion, in the colours of a JPEG."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from services.decoder.colour import Colour, Matrix, Transfer
from services.decoder.corrections import NO_CORRECTIONS, Corrections
from services.decoder.filter_chain import FilterChain
from services.decoder.tone_map import curve
from services.decoder.turn import Turn

SQUARE = Fraction(1)
MIN_INTERLACED_LINES = 8

_EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP

_SCALER = {
    Matrix.BT709: Colorspace.ITU709,
    Matrix.FCC: Colorspace.FCC,
    Matrix.BT470BG: Colorspace.ITU601,
    Matrix.SMPTE170M: Colorspace.ITU601,
    Matrix.SMPTE240M: Colorspace.SMPTE240M,
    Matrix.BT2020NC: Colorspace.BT2020,
}
"""What the scaler calls the matrices that it knows."""

_JPEG = f"space={Matrix.BT470BG.filter_name}:range=pc:format=yuv420p"
"""Readers of JPEGs take them for BT.601 in full range, whatever they are tagged as."""


@dataclass(frozen=True, slots=True)
class Form:
    """All that decides how a frame is converted."""

    width: int
    height: int
    pixel_format: str
    colour: Colour
    turn: Turn
    interlaced: bool
    pixel_aspect: Fraction

    @classmethod
    def of(
        cls,
        frame: VideoFrame,
        pixel_aspect: Fraction = SQUARE,
        corrections: Corrections = NO_CORRECTIONS,
    ) -> Form:
        """`pixel_aspect`: width by height of a pixel. Raises `Unsupported`."""
        turn = Turn.of(frame) if corrections.turn is None else corrections.turn
        return cls(
            frame.width,
            frame.height,
            frame.format.name,
            Colour.of(frame, corrections.matrix, corrections.full_range),
            turn.mirrored if corrections.mirror else turn,
            frame.interlaced_frame and frame.height >= MIN_INTERLACED_LINES,
            pixel_aspect,
        )

    @property
    def shown_size(self) -> tuple[float, float]:
        """Width and height as they are shown: upright, with square pixels, none of them lost."""
        aspect = float(self.pixel_aspect)
        width, height = self.width * max(1.0, aspect), self.height / min(1.0, aspect)
        return (height, width) if self.turn.swaps_sides else (width, height)


class Conversion:
    """Converts frames of one form. One thread's own. Raises `av.FFmpegError`.

    Frames are made small first: everything after that costs little.
    """

    def __init__(self, form: Form, size: tuple[int, int]) -> None:
        """`size`: width and height of the picture that is wanted, upright."""
        self._form = form
        self._size = size[::-1] if form.turn.swaps_sides else size
        self._reformatter = VideoReformatter()
        self._chain: FilterChain | None = None

    def convert(self, frame: VideoFrame) -> VideoFrame:
        """The picture as yuv420p, BT.601 in full range, without any tag or side data."""
        if self._form.interlaced:
            frame = deinterlaced(frame)
        small = self._shrunk(frame)
        if self._chain is None:
            self._chain = FilterChain(small, self._steps())
        return self._chain.apply(small)

    def _shrunk(self, frame: VideoFrame) -> VideoFrame:
        width, height = self._size
        colour = self._form.colour
        coded_range = ColorRange.JPEG if colour.full_range else ColorRange.MPEG
        if colour.transfer != Transfer.SDR:
            return self._reformatter.reformat(
                frame,
                width,
                height,
                "gbrp12le",
                src_colorspace=_SCALER.get(colour.matrix),
                src_color_range=coded_range,
                dst_color_range=ColorRange.JPEG,
                interpolation=_EXACT,
                threads=1,
            )
        if colour.matrix == Matrix.RGB:
            return self._reformatter.reformat(
                frame,
                width,
                height,
                "yuv420p",
                dst_colorspace=Colorspace.ITU601,
                dst_color_range=ColorRange.JPEG,
                interpolation=_EXACT,
                threads=1,
            )
        if len(frame.format.components) < 3 or frame.format.name.startswith("yuvj"):
            coded_range = ColorRange.JPEG  # the scaler takes them for full range: no change
        # Ten bits, so that converting the matrix rounds but once. The scaler is to leave that
        # alone: it is slower at it, and knows fewer matrices.
        return self._reformatter.reformat(
            frame,
            width,
            height,
            "yuv420p10le",
            src_colorspace=Colorspace.ITU709,
            dst_colorspace=Colorspace.ITU709,
            src_color_range=coded_range,
            dst_color_range=coded_range,
            interpolation=Interpolation.BICUBIC,
            threads=1,
        )

    def _steps(self) -> list[tuple[str, str]]:
        colour = self._form.colour
        steps: list[tuple[str, str]] = []
        if colour.transfer != Transfer.SDR:
            steps += _tone_mapping(colour.transfer)
        elif colour.matrix != Matrix.RGB:
            coded = (
                f"ispace={colour.matrix.filter_name}:irange={'pc' if colour.full_range else 'tv'}"
            )
            same = "iprimaries=bt709:primaries=bt709:itrc=bt709:trc=bt709"
            steps.append(("colorspace", f"{coded}:{same}:{_JPEG}"))
        # A JPEG would carry some of it along: another turn, or where the picture was taken.
        return [*steps, *self._form.turn.filters, ("sidedata", "mode=delete")]


def _tone_mapping(transfer: Transfer) -> list[tuple[str, str]]:
    """From RGB with the primaries of BT.2020 to an SDR picture."""
    expression = f"'{curve(transfer)}'"
    gamma = "itrc=gamma22:trc=gamma22"  # for mixing primaries in light: nearly the display's
    return [
        ("lutrgb", f"r={expression}:g={expression}:b={expression}"),
        ("scale", "out_color_matrix=bt2020:out_range=tv:flags=bicubic"),
        ("format", "yuv420p12le"),
        (
            "colorspace",
            f"ispace=bt2020nc:irange=tv:iprimaries=bt2020:primaries=bt709:{gamma}:{_JPEG}",
        ),
    ]


def deinterlaced(frame: VideoFrame) -> VideoFrame:
    """A frame of one moment from a frame of two: one field, its missing lines filled in.

    Only this frame is looked at, so that frames beside it need not be decoded.
    """
    return FilterChain(frame, [("bwdif", "mode=send_field:deint=all")]).last(frame)
