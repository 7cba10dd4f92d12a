"""Colours that a camera sent are the colours that memory sees, however they were coded."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from av.video.frame import VideoFrame

from services.decoder.corrections import NO_CORRECTIONS, Corrections
from tests.support import painted
from tests.support.painted import BT601, BT709, BT2020, COLOURS, Coding
from tests.support.seen import seen
from tests.support.slow import slow

MATRICES = {"601": BT601, "709": BT709, "2020": BT2020}
NEAR = 3  # levels of 255


def assert_colours(path: Path, corrections: Corrections = NO_CORRECTIONS) -> None:
    pictures = seen(path, corrections=corrections)
    assert len(pictures) == len(COLOURS)
    for colour, picture in zip(COLOURS, pictures, strict=True):
        worst = max(
            abs(int(level) - part)
            for pixel in picture.reshape(-1, 3)
            for level, part in zip(pixel, colour, strict=True)
        )
        assert worst <= NEAR, (colour, picture[0, 0])


@pytest.mark.parametrize(
    ("full_range", "codec"),
    slow(
        [(False, "libx264"), (False, "libx265"), (True, "libx264"), (True, "libx265")],
        *((False, "libx265"), (True, "libx264")),
    ),
)
@pytest.mark.parametrize("name", MATRICES)
def test_every_matrix_range_depth_and_subsampling(
    tmp_path: Path, name: str, full_range: bool, codec: str
) -> None:
    for subsampling, depth in itertools.product(("420", "422", "444"), ("", "10le")):
        coding = Coding(MATRICES[name], full_range, f"yuv{subsampling}p{depth}")
        frames = [painted.frame(painted.parts(colour), coding) for colour in COLOURS]
        path = tmp_path / f"{subsampling}{depth}.mp4"
        assert_colours(painted.write(path, frames, codec=codec))


@pytest.mark.parametrize(("lines", "matrix"), [(576, BT601), (718, BT601), (720, BT709)])
def test_untagged_streams_are_what_players_take_them_for(
    tmp_path: Path, lines: int, matrix: int
) -> None:
    frames = [
        painted.frame(painted.parts(colour), Coding(matrix), (64, lines), tag=painted.UNTAGGED)
        for colour in COLOURS
    ]
    path = tmp_path / "untagged.mp4"
    assert_colours(painted.write(path, frames, tagged=False, options={"preset": "ultrafast"}))


def test_motion_jpeg_keeps_its_colours(tmp_path: Path) -> None:
    frames = [
        painted.frame(painted.parts(colour), Coding(BT601, True, "yuvj420p")) for colour in COLOURS
    ]
    path = tmp_path / "motion.avi"
    assert_colours(painted.write(path, frames, codec="mjpeg", options={"qmin": "2", "qmax": "2"}))


def test_grey_cameras(tmp_path: Path) -> None:
    """A thermal camera sends luma alone, in limited range."""
    frames = []
    for level in (16, 126, 235):
        frame = VideoFrame(64, 48, "gray")
        frame.planes[0].update(bytes([level]) * frame.planes[0].buffer_size)
        frame.color_range = 1
        frames.append(frame)
    pictures = seen(painted.write(tmp_path / "grey.mp4", frames, codec="libx265"))
    for expected, picture in zip((0, 128, 255), pictures, strict=True):
        assert abs(picture.astype(int) - expected).max() <= 1
