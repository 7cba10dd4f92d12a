"""What a probe finds out about sources of every kind, without the services around it."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame

from hermes.v1.camera_pb2 import (
    SOURCE_ERROR_REFUSED,
    SOURCE_ERROR_TIMEOUT,
    Camera,
    CameraServiceProbeResponse,
    Picture,
    Sampling,
)
from services.decoder.probe import MAX_THUMBNAIL_BYTES, Probe
from services.decoder.settings import DecoderSettings
from tests.support import painted
from tests.support.stills import GREEN, still
from tests.support.web_origin import WebOrigin, page


def found(
    camera: Camera, settings: DecoderSettings, seconds: float = 8.0, *, thumbnail: bool = False
) -> CameraServiceProbeResponse:
    """The last thing that a probe says: the one that counts."""
    camera.id = "probe"
    probe = Probe(camera, settings, time.monotonic() + seconds, thumbnail=thumbnail)
    *_, last = probe.run()
    return last


def test_a_snapshot_url_is_taken_as_often_as_it_is_fetched() -> None:
    with WebOrigin() as origin:
        origin.routes["/snap"] = page(still(GREEN), "image/jpeg")
        camera = Camera(url=origin.url("/snap"), sampling=Sampling(frames_per_second=5))
        result = found(camera, DecoderSettings(), thumbnail=True)
    assert result.error == 0
    assert result.picture.codec == "mjpeg"
    assert (result.picture.coded_width, result.picture.frame_width) == (
        result.picture.width,
        result.picture.width,
    )
    assert 0.15 <= result.key_frame_interval.ToMilliseconds() / 1000 <= 2.0
    assert 0 < result.frames_per_second <= 5
    assert result.thumbnail.startswith(b"\xff\xd8")


def test_without_time_for_a_frame_it_says_what_it_knows(tmp_path: Path) -> None:
    path = painted.write(tmp_path / "a.mp4", [painted.quarters()] * 3)
    result = found(Camera(url=path.name), DecoderSettings(media_root=tmp_path), seconds=0.0)
    assert result.error == SOURCE_ERROR_TIMEOUT
    assert result.error_message.startswith("it was opened, but no frame could be taken in time")
    assert (result.picture.codec, result.picture.coded_width) == ("h264", 96)
    assert (result.frame_bytes, result.thumbnail) == (0, b"")


def test_a_thumbnail_is_bounded(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (800, 1200, 3), np.uint8)
    frame = VideoFrame.from_ndarray(noise).reformat(format="yuv420p")
    path = painted.write(tmp_path / "a.mp4", [frame], options={"preset": "ultrafast"})
    settings = DecoderSettings(media_root=tmp_path, frame_size="1200x800")
    result = found(Camera(url=path.name), settings, thumbnail=True)
    assert result.frame_bytes > MAX_THUMBNAIL_BYTES
    assert 0 < len(result.thumbnail) <= MAX_THUMBNAIL_BYTES


def test_a_job_that_no_gateway_would_leave_is_refused(tmp_path: Path) -> None:
    settings = DecoderSettings(media_root=tmp_path)
    for camera in (Camera(url="../a.mp4"), Camera(url="a.mp4", picture=Picture(rotate=7))):
        result = found(camera, settings)
        assert result.error == SOURCE_ERROR_REFUSED
        assert not result.HasField("picture")
