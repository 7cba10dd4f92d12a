from __future__ import annotations

import os
from pathlib import Path

import av
import pytest

from hermes.errors import InvalidInput
from hermes.v1.camera_pb2 import (
    PACING_AS_FAST_AS_READ,
    SOURCE_ERROR_CODEC,
    SOURCE_ERROR_NOT_FOUND,
    SOURCE_ERROR_REFUSED,
    SOURCE_ERROR_UNAVAILABLE,
    Camera,
)
from services.common.cameras import SourcePolicy, check, check_url, device_path, is_device, is_file
from services.decoder.faults import SourceFault
from services.decoder.local_device import check_device
from services.decoder.location import Location, locate
from services.decoder.settings import DecoderSettings
from services.decoder.source import Source

URL = "v4l2:/dev/video0"
ALLOWED = SourcePolicy(local_devices=True)


def test_a_device_is_neither_a_file_nor_on_the_network() -> None:
    assert is_device(URL)
    assert is_device("V4L2:/dev/video0")
    assert not is_file(URL)
    assert not is_device("/dev/video0")
    assert device_path("V4L2:/dev/video12") == "/dev/video12"


def test_devices_are_refused_by_name_unless_they_are_allowed() -> None:
    with pytest.raises(InvalidInput, match=r"local devices .*--local-devices"):
        check_url(URL, SourcePolicy())
    check_url(URL, ALLOWED)
    assert not DecoderSettings().policy.local_devices
    assert DecoderSettings(local_devices=True).policy.local_devices


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/dev/sda",
        "/dev/video",
        "/dev/video0/../sda",
        "/dev/../etc/passwd",
        "//dev/video0",
        "video0",
        "/dev/video0 ",
        "/dev/video0?a",
        "/dev/video1234",
        "/dev/vidéo0",
        "/dev/video٣",
    ],
)
def test_no_other_path_is_a_device(path: str) -> None:
    with pytest.raises(InvalidInput, match="v4l2:/dev/video0"):
        check_url(f"v4l2:{path}", ALLOWED)


def test_a_device_sets_its_own_pace_and_never_begins_again() -> None:
    check(Camera(id="door", url=URL), ALLOWED)
    with pytest.raises(InvalidInput, match="only a file"):
        check(Camera(id="door", url=URL, loop=True), ALLOWED)
    with pytest.raises(InvalidInput, match="pace"):
        check(Camera(id="door", url=URL, pacing=PACING_AS_FAST_AS_READ), ALLOWED)


def test_only_a_character_device_is_opened(tmp_path: Path) -> None:
    plain, link = tmp_path / "plain", tmp_path / "link"
    plain.touch()
    link.symlink_to("/dev/null")
    for path in (plain, link, tmp_path):
        with pytest.raises(SourceFault, match="not a character device") as caught:
            check_device(str(path))
        assert caught.value.error == SOURCE_ERROR_REFUSED
        assert not caught.value.permanent
    with pytest.raises(SourceFault, match="no such device") as caught:
        check_device(str(tmp_path / "none"))
    assert caught.value.error == SOURCE_ERROR_NOT_FOUND
    check_device("/dev/null")


def test_a_device_that_may_not_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(SourceFault, match="group") as caught:
        check_device("/dev/null")
    assert caught.value.error == SOURCE_ERROR_REFUSED


def test_a_library_that_cannot_read_devices_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av, "formats_available", {"mov,mp4"})
    with pytest.raises(SourceFault, match="v4l2") as caught:
        check_device("/dev/null")
    assert caught.value.error == SOURCE_ERROR_CODEC
    assert caught.value.permanent


@pytest.mark.skipif(os.path.exists("/dev/video99"), reason="there is such a device")
def test_a_device_that_is_not_plugged_in_is_tried_again() -> None:
    with pytest.raises(SourceFault, match="no such device") as caught:
        locate("v4l2:/dev/video99", DecoderSettings(local_devices=True))
    assert not caught.value.permanent


def test_a_device_that_is_no_camera_is_unavailable() -> None:
    """FFmpeg's own input device opens it, and finds no camera."""
    location = Location("/dev/null", {}, format="v4l2")
    with pytest.raises(SourceFault, match=r"cannot be opened \(") as caught:
        Source(URL, DecoderSettings(local_devices=True), location=location)
    assert caught.value.error == SOURCE_ERROR_UNAVAILABLE


def test_frames_as_a_webcam_sends_them(tmp_path: Path) -> None:
    """Uncompressed, each a key frame. The device is played by a file of such frames."""
    path = tmp_path / "webcam.nut"
    with av.open(path, "w") as container:
        stream = container.add_stream("rawvideo", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuyv422"
        for index in range(20):
            frame = av.VideoFrame(64, 48, "yuyv422")
            frame.planes[0].update(bytes([16 + index * 10, 128] * (64 * 48)))
            frame.pts = index
            container.mux(stream.encode(frame))
    location = Location(str(path), {}, format="nut")
    with Source(URL, DecoderSettings(local_devices=True), location=location) as source:
        assert source.real_time
        frames = list(source.frames(lambda: None, lambda: pytest.fail("a frame was damaged")))
    assert [frame.to_ndarray()[0, 0, 0] for frame in frames] == [16 + 10 * n for n in range(20)]
