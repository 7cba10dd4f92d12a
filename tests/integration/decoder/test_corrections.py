"""Pictures of cameras that describe them wrongly, corrected as a person asks for it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from hermes.client import Picture
from hermes.client.picture import picture_message
from services.decoder.corrections import Corrections
from tests.integration.decoder.test_colours import assert_colours
from tests.integration.decoder.test_shapes import BLUE, GREEN, RED, WHITE, corners
from tests.support import painted
from tests.support.painted import BT601, BT709, BT2020, COLOURS, Coding
from tests.support.seen import seen

SEEN = {  # degrees clockwise, and whether it is mirrored after that
    (0, False): [RED, GREEN, BLUE, WHITE],
    (90, False): [BLUE, RED, WHITE, GREEN],
    (180, False): [WHITE, BLUE, GREEN, RED],
    (270, False): [GREEN, WHITE, RED, BLUE],
    (0, True): [GREEN, RED, WHITE, BLUE],
    (90, True): [RED, BLUE, GREEN, WHITE],
    (180, True): [BLUE, WHITE, RED, GREEN],
    (270, True): [WHITE, GREEN, BLUE, RED],
}


def corrected(**picture: object) -> Corrections:
    return Corrections.of(picture_message(Picture(**picture)))  # type: ignore[arg-type]


def test_a_turn_that_was_asked_for_replaces_that_of_the_source(tmp_path: Path) -> None:
    for turn in (None, (180.0, False, False), (90.0, True, False)):
        path = tmp_path / f"{turn}.mp4"
        painted.write(path, [painted.quarters()], turn=turn)
        for (degrees, mirror), expected in SEEN.items():
            for picture in seen(path, "96x64", corrected(rotate=degrees, mirror=mirror)):
                assert picture.shape == ((96, 64, 3) if degrees % 180 else (64, 96, 3))
                assert corners(picture) == expected


def test_a_mirror_alone_comes_after_the_turn_of_the_source(tmp_path: Path) -> None:
    path = painted.write(tmp_path / "a.mp4", [painted.quarters()], turn=(270, False, False))
    for picture in seen(path, "96x64", corrected(mirror=True)):
        assert corners(picture) == SEEN[90, True]


@pytest.mark.parametrize(
    ("aspect", "rotate", "shape"),
    [
        ("16:9", None, (216, 384)),
        ("16:9", 90, (384, 216)),
        ("4:3", None, (250, 332)),
        ("square", None, (236, 352)),
        ("", None, (332, 250)),  # as the source says
    ],
)
def test_the_shape_that_was_asked_for(
    tmp_path: Path, aspect: str, rotate: int | None, shape: tuple[int, int]
) -> None:
    path = tmp_path / "a.mp4"
    painted.write(path, [painted.quarters((960, 640))], pixel_aspect=Fraction(1, 2))
    for picture in seen(path, "288x288", corrected(aspect=aspect, rotate=rotate)):
        assert picture.shape[:2] == shape


@pytest.mark.parametrize(
    ("coding", "color"),
    [
        ((BT601, False), "bt601"),
        ((BT601, True), "bt601-full"),
        ((BT709, False), "bt709-limited"),
        ((BT709, True), "bt709-full"),
        ((BT2020, False), "bt2020-limited"),
        ((BT2020, True), "bt2020-full"),
    ],
)
def test_colours_that_are_tagged_wrongly(
    tmp_path: Path, coding: tuple[int, bool], color: str
) -> None:
    made = Coding(*coding)
    wrong = BT601 if coding[0] == BT709 else BT709
    for full_range in (1, 2) if "-" in color else (1,):
        frames = [painted.frame(painted.parts(colour), made) for colour in COLOURS]
        for frame in frames:
            frame.colorspace, frame.color_range = wrong, full_range
        path = painted.write(tmp_path / f"{full_range}.mp4", frames)
        assert_colours(path, corrected(color=color))


def test_a_range_alone(tmp_path: Path) -> None:
    """The commonest fault of all: full range that is tagged as limited."""
    frames = [painted.frame(painted.parts(colour), Coding(BT709, True)) for colour in COLOURS]
    for frame in frames:
        frame.color_range = 1
    assert_colours(painted.write(tmp_path / "a.mp4", frames), corrected(color="full"))


def test_motion_jpeg_in_limited_range(tmp_path: Path) -> None:
    """A JPEG cannot say that its range is limited: some cameras' are."""
    frames = [
        painted.frame(painted.parts(colour), Coding(BT601, False, "yuvj420p")) for colour in COLOURS
    ]
    path = painted.write(
        tmp_path / "a.avi", frames, codec="mjpeg", options={"qmin": "1", "qmax": "1"}
    )
    assert_colours(path, corrected(color="limited"))
