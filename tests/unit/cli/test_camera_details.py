"""What is said about one camera below its row."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hermes.client import PictureStatus
from hermes.client.types import camera_of
from hermes.v1 import camera_pb2
from services.cli.camera_details import details_of, picture_line, shape_of

PLAIN = PictureStatus(
    width=1920,
    height=1080,
    coded_width=1920,
    coded_height=1080,
    codec="h264",
    frames_per_second=25.0,
    color="bt709-limited",
    transfer="sdr",
    rotate=0,
    mirror=False,
    interlaced=False,
    frame_width=512,
    frame_height=288,
)


def test_a_plain_picture() -> None:
    assert picture_line(PLAIN) == (
        "1920x1080 (16:9), h264, 25 fps, bt709 limited, taken as 512x288"
    )


def test_a_picture_that_is_turned_and_stretched() -> None:
    picture = replace(
        PLAIN,
        width=576,
        height=768,
        coded_width=720,
        coded_height=576,
        frames_per_second=30000 / 1001,
        color="bt601-full",
        transfer="hlg",
        rotate=90,
        mirror=True,
        interlaced=True,
    )
    assert picture_line(picture) == (
        "576x768 (3:4), h264, 29.97 fps, bt601 full, hlg, interlaced, turned 90 degrees clockwise,"
        " mirrored, coded as 720x576, taken as 512x288"
    )


def test_a_turn_by_a_quarter_alone_needs_no_coded_size() -> None:
    picture = replace(PLAIN, width=1080, height=1920, rotate=90, frames_per_second=0.0)
    assert "coded" not in picture_line(picture)
    assert "fps" not in picture_line(picture)


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        ((1920, 1088), "16:9"),
        ((768, 576), "4:3"),
        ((1080, 1920), "9:16"),
        ((1850, 1000), "1.85:1"),
        ((0, 0), "?"),
    ],
)
def test_shapes(size: tuple[int, int], shape: str) -> None:
    assert shape_of(*size) == shape


def test_the_last_gaps_are_shown_with_their_reasons() -> None:
    info = camera_pb2.CameraInfo()
    for minute in range(7):
        gap = info.memory.coverage.gaps.add()
        gap.start.FromSeconds(60 * minute)
        gap.end.FromSeconds(60 * minute + 12)
        if minute == 6:
            gap.reason = camera_pb2.GAP_REASON_LOST_PACKETS
    first, *lines = details_of(camera_of(info))
    assert first == "gaps: 7, of which the last 5 are"
    assert len(lines) == 5
    assert lines[-1].endswith(" (12 s): lost packets")
    assert lines[0].endswith(" (12 s): of unknown reason")


def test_the_display_name_and_the_labels_come_first() -> None:
    info = camera_pb2.CameraInfo()
    info.camera.display_name = "Dock\x1b, gate 3"
    info.camera.labels.update(site="dock", floor="2")
    assert list(details_of(camera_of(info))) == [
        "display name: Dock, gate 3",
        "labels: floor=2, site=dock",
    ]


def test_a_camera_without_frames_has_no_picture() -> None:
    info = camera_pb2.CameraInfo()
    assert list(details_of(camera_of(info))) == []
    info.source.picture.codec = "h264\x1b[2J"
    (line,) = details_of(camera_of(info))
    assert "\x1b" not in line


@pytest.mark.parametrize(
    ("ratio", "lines"),
    [
        (0.0625, ["changes: 6.2% of a frame's tokens are new, and taken in"]),
        (1.0, []),
        (None, []),
    ],
)
def test_a_camera_that_shows_little_says_how_little(ratio: float | None, lines: list[str]) -> None:
    """Workers that take in whole frames have nothing to say; older ones do not say it."""
    info = camera_pb2.CameraInfo()
    info.memory.frames = 9
    if ratio is not None:
        info.memory.taken_ratio = ratio
    camera = camera_of(info)
    assert camera.memory.taken_ratio == ratio
    assert list(details_of(camera)) == lines


def test_before_the_first_frame_nothing_is_said_of_changes() -> None:
    info = camera_pb2.CameraInfo()
    info.memory.taken_ratio = 0.5
    assert list(details_of(camera_of(info))) == []
