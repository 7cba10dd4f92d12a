"""The picture of a source as it is taken, for the camera's status."""

from __future__ import annotations

from hermes.v1.camera_pb2 import (
    COLOR_MATRIX_BT601,
    COLOR_MATRIX_BT709,
    COLOR_MATRIX_BT2020,
    COLOR_MATRIX_FCC,
    COLOR_MATRIX_RGB,
    COLOR_MATRIX_SMPTE240M,
    COLOR_MATRIX_YCGCO,
    COLOR_RANGE_FULL,
    COLOR_RANGE_LIMITED,
    COLOR_TRANSFER_HLG,
    COLOR_TRANSFER_PQ,
    COLOR_TRANSFER_SDR,
    Color,
    ColorMatrix,
    ColorTransfer,
    PictureStatus,
)
from services.decoder.colour import Matrix, Transfer
from services.decoder.conversion import Form
from services.decoder.turn import Turn

_MATRICES: dict[Matrix, ColorMatrix] = {
    Matrix.RGB: COLOR_MATRIX_RGB,
    Matrix.BT709: COLOR_MATRIX_BT709,
    Matrix.FCC: COLOR_MATRIX_FCC,
    Matrix.BT470BG: COLOR_MATRIX_BT601,
    Matrix.SMPTE170M: COLOR_MATRIX_BT601,
    Matrix.SMPTE240M: COLOR_MATRIX_SMPTE240M,
    Matrix.YCGCO: COLOR_MATRIX_YCGCO,
    Matrix.BT2020NC: COLOR_MATRIX_BT2020,
}
_TRANSFERS: dict[Transfer, ColorTransfer] = {
    Transfer.SDR: COLOR_TRANSFER_SDR,
    Transfer.PQ: COLOR_TRANSFER_PQ,
    Transfer.HLG: COLOR_TRANSFER_HLG,
}
_DEGREES = {Turn.NONE: 0, Turn.RIGHT: 90, Turn.HALF: 180, Turn.LEFT: 270}


def status_of(
    form: Form, frame_size: tuple[int, int], codec: str, frames_per_second: float
) -> PictureStatus:
    """`frame_size`: of the frames that are made of it. `frames_per_second`: nominal; 0: unknown."""
    width, height = form.shown_size
    colour = form.colour
    mirror = form.turn not in _DEGREES
    return PictureStatus(
        width=round(width),
        height=round(height),
        coded_width=form.width,
        coded_height=form.height,
        codec=codec,
        frames_per_second=frames_per_second,
        color=Color(
            matrix=_MATRICES[colour.matrix],
            range=COLOR_RANGE_FULL if colour.full_range else COLOR_RANGE_LIMITED,
        ),
        transfer=_TRANSFERS[colour.transfer],
        rotate=_DEGREES[form.turn.mirrored if mirror else form.turn],
        mirror=mirror,
        interlaced=form.interlaced,
        frame_width=frame_size[0],
        frame_height=frame_size[1],
    )
