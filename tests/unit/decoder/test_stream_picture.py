"""The picture of a source, as a camera's status shows it."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from fractions import Fraction

import pytest

from hermes.v1.camera_pb2 import (
    COLOR_MATRIX_BT601,
    COLOR_MATRIX_BT709,
    COLOR_RANGE_FULL,
    COLOR_RANGE_LIMITED,
    COLOR_TRANSFER_HLG,
    COLOR_TRANSFER_SDR,
    PictureStatus,
)
from services.decoder.colour import Colour, Matrix, Transfer
from services.decoder.conversion import Form
from services.decoder.report import Report
from services.decoder.stream_picture import status_of
from services.decoder.telemetry import Telemetry
from services.decoder.turn import Turn

FORM = Form(
    width=720,
    height=576,
    pixel_format="yuv420p",
    colour=Colour(Matrix.BT470BG, full_range=False),
    turn=Turn.NONE,
    interlaced=True,
    pixel_aspect=Fraction(16, 15),
)


def test_sizes_colour_and_rate() -> None:
    status = status_of(FORM, (448, 336), "h264", 25.0)
    assert (status.width, status.height) == (768, 576)
    assert (status.coded_width, status.coded_height) == (720, 576)
    assert (status.frame_width, status.frame_height) == (448, 336)
    assert (status.codec, status.frames_per_second, status.interlaced) == ("h264", 25.0, True)
    assert (status.color.matrix, status.color.range) == (COLOR_MATRIX_BT601, COLOR_RANGE_LIMITED)
    assert status.transfer == COLOR_TRANSFER_SDR
    hdr = replace(FORM, colour=Colour(Matrix.BT709, full_range=True, transfer=Transfer.HLG))
    status = status_of(hdr, (2, 2), "hevc", 0.0)
    assert (status.color.matrix, status.color.range) == (COLOR_MATRIX_BT709, COLOR_RANGE_FULL)
    assert status.transfer == COLOR_TRANSFER_HLG


@pytest.mark.parametrize(
    ("turn", "rotate", "mirror"),
    [
        (Turn.NONE, 0, False),
        (Turn.RIGHT, 90, False),
        (Turn.HALF, 180, False),
        (Turn.LEFT, 270, False),
        (Turn.MIRRORED, 0, True),
        (Turn.LEFT_MIRRORED, 90, True),
        (Turn.UPSIDE_DOWN_MIRRORED, 180, True),
        (Turn.RIGHT_MIRRORED, 270, True),
    ],
)
def test_how_it_is_turned(turn: Turn, rotate: int, mirror: bool) -> None:
    status = status_of(replace(FORM, turn=turn), (2, 2), "h264", 0.0)
    assert (status.rotate, status.mirror) == (rotate, mirror)
    assert (status.width, status.height) == ((576, 768) if rotate % 180 else (768, 576))


@pytest.mark.parametrize("matrix", Matrix)
def test_every_matrix_has_a_word(matrix: Matrix) -> None:
    colour = Colour(matrix, full_range=False)
    assert status_of(replace(FORM, colour=colour), (2, 2), "h264", 0.0).color.matrix


def test_a_report_carries_it() -> None:
    telemetry = Telemetry()
    status = status_of(FORM, (448, 336), "h264", 25.0)
    telemetry.picture(status)
    assert Report.from_bytes(telemetry.report().to_bytes()).picture_status == status
    assert Report.from_bytes(Report().to_bytes()).picture_status is None


@pytest.mark.parametrize(
    "picture",
    [
        "no base64",
        b64encode(b"no message").decode(),
        b64encode(PictureStatus(frames_per_second=float("nan")).SerializeToString()).decode(),
        b64encode(PictureStatus(codec="\x1b[2J").SerializeToString()).decode(),
    ],
)
def test_a_report_with_another_picture_is_refused(picture: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any is fine
        Report.from_bytes(Report(picture=picture).to_bytes())
