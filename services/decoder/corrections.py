"""Corrections of what a source says about its picture, as a person asked for them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from hermes.v1.camera_pb2 import (
    COLOR_MATRIX_BT601,
    COLOR_MATRIX_BT709,
    COLOR_MATRIX_BT2020,
    COLOR_RANGE_FULL,
    COLOR_RANGE_LIMITED,
    ColorMatrix,
    ColorRange,
    Picture,
)
from services.decoder.colour import Matrix
from services.decoder.turn import Turn

_MATRICES: dict[ColorMatrix, Matrix] = {
    COLOR_MATRIX_BT601: Matrix.SMPTE170M,
    COLOR_MATRIX_BT709: Matrix.BT709,
    COLOR_MATRIX_BT2020: Matrix.BT2020NC,
}
_FULL: dict[ColorRange, bool] = {COLOR_RANGE_LIMITED: False, COLOR_RANGE_FULL: True}
_TURNS = {0: Turn.NONE, 90: Turn.RIGHT, 180: Turn.HALF, 270: Turn.LEFT}


@dataclass(frozen=True, slots=True)
class Corrections:
    """What is None or False is as the source says.

    `aspect`: width by height of the picture before it is turned.
    """

    turn: Turn | None = None
    mirror: bool = False
    aspect: Fraction | None = None
    square_pixels: bool = False
    matrix: Matrix | None = None
    full_range: bool | None = None

    @classmethod
    def of(cls, picture: Picture) -> Corrections:
        """`picture`: one that was checked."""
        corrections = cls(
            turn=_TURNS[picture.rotate] if picture.HasField("rotate") else None,
            mirror=picture.mirror,
            square_pixels=picture.square_pixels,
            matrix=_MATRICES.get(picture.color.matrix),
            full_range=_FULL.get(picture.color.range),
        )
        if picture.HasField("aspect"):
            aspect = Fraction(picture.aspect.width, picture.aspect.height)
            corrections = replace(corrections, aspect=aspect)
        return corrections


NO_CORRECTIONS = Corrections()
