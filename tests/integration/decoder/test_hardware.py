"""A camera for which hardware is wanted is read all the same where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from av.codec.hwaccel import HWAccel

from hermes.v1.camera_pb2 import SOURCE_STATE_ONLINE, Camera
from services.decoder import hardware
from services.decoder.settings import DecoderSettings
from tests.support import video
from tests.support.reading import Reading


def read(path: Path, choice: hardware.Choice) -> Reading:
    settings = DecoderSettings(media_root=path.parent, hwaccel=choice, frame_size="64")
    camera = Camera(id="lobby", url=path.name, sampling={"frames_per_second": 5})
    with Reading(camera, settings) as reading:
        reading.wait(20)
    return reading


@pytest.mark.parametrize("choice", ["auto", "cuda", "vaapi"])
def test_software_takes_over_and_the_status_says_why(
    tmp_path: Path, choice: hardware.Choice
) -> None:
    path = video.write(tmp_path / "clip.mp4", 20, rate=10)
    reading = read(path, choice)
    assert reading.media_ms == [200 * n for n in range(10)]
    assert reading.report.state == SOURCE_STATE_ONLINE
    why = hardware.device(choice).why
    assert reading.report.message == (f"decoded in software: {why}" if why else "")
    assert why or hardware.accelerator(choice) is not None


def test_hardware_that_fails_with_a_stream_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device was there when it was looked for, and is not when the stream is opened."""
    path = video.write(tmp_path / "clip.mp4", 20, rate=10)
    if hardware.device("cuda").kind:
        pytest.skip("there is a device here")

    def device(choice: hardware.Choice) -> hardware.Device:
        return hardware.Device("cuda" if choice == "cuda" else "")

    monkeypatch.setattr(hardware, "device", device)
    monkeypatch.setattr(
        hardware, "accelerator", lambda choice: HWAccel("cuda") if choice == "cuda" else None
    )
    reading = read(path, "cuda")
    assert reading.media_ms == [200 * n for n in range(10)]
    assert reading.report.message == "decoded in software: the cuda device failed with this stream"
