"""What `hermes camera add --check` prints."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from hermes.client.probe import probe_of
from hermes.v1.camera_pb2 import (
    COLOR_MATRIX_BT709,
    COLOR_RANGE_LIMITED,
    COLOR_TRANSFER_SDR,
    CameraServiceProbeResponse,
    Color,
    PictureStatus,
)
from services.cli.camera_check import lines_of
from services.cli.main import app

PICTURE = PictureStatus(
    width=1920,
    height=1080,
    coded_width=1920,
    coded_height=1080,
    codec="h264",
    frames_per_second=25,
    color=Color(matrix=COLOR_MATRIX_BT709, range=COLOR_RANGE_LIMITED),
    transfer=COLOR_TRANSFER_SDR,
    frame_width=512,
    frame_height=288,
)


def found(seconds: float, *, open_: bool, **fields: object) -> CameraServiceProbeResponse:
    response = CameraServiceProbeResponse(decoder="d-1", key_frame_interval_open=open_, **fields)  # type: ignore[arg-type]
    response.key_frame_interval.FromMilliseconds(round(seconds * 1000))
    return response


def test_a_source_is_described() -> None:
    response = found(
        2.0, open_=False, picture=PICTURE, frames_per_second=0.5, frame_bytes=21 * 1024
    )
    response.length.FromSeconds(90)
    assert list(lines_of(probe_of(response))) == [
        "picture: 1920x1080 (16:9), h264, 25 fps, bt709 limited, taken as 512x288",
        "key frames: every 2.0 s",
        "length: 90.0 s",
        "frames: 0.5 a second, the first of 21.0 KiB",
        "decoder: d-1",
    ]


def test_a_source_without_a_frame_says_what_is_known() -> None:
    picture = PictureStatus(codec="hevc", coded_width=3840, coded_height=2160)
    response = found(6.5, open_=True, picture=picture)
    assert list(lines_of(probe_of(response))) == [
        "opened: hevc, 3840x2160",
        "key frames: at least 6.5 s apart",
        "decoder: d-1",
    ]
    assert list(lines_of(probe_of(CameraServiceProbeResponse()))) == []


def test_a_source_that_announces_nothing_is_not_described() -> None:
    """A picture that is fetched again and again has no size before it came."""
    response = CameraServiceProbeResponse(decoder="d-1", picture=PictureStatus(codec=""))
    assert list(lines_of(probe_of(response))) == ["decoder: d-1"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["lobby"], "URL"),
        (["lobby", "rtsp://h/1", "--thumbnail", "a.jpg"], "--thumbnail"),
        (["rtsp://h/1", "--check", "--rotate", "45"], "camera.picture.rotate"),
    ],
)
def test_what_does_not_fit_together_is_named(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["camera", "add", *arguments, "-g", "127.0.0.1:1"])
    assert result.exit_code != 0
    assert said in result.output + str(result.exception)
