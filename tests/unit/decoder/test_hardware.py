"""Decoding on hardware. No device is needed: frames are made as one hands them out."""

from __future__ import annotations

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from services.decoder import hardware
from services.decoder.conversion import deinterlaced
from services.decoder.corrections import Corrections
from services.decoder.picture import FrameSize, JpegEncoder
from services.decoder.turn import Turn
from services.hermes_worker.pictures import decode_jpeg
from tests.support import painted
from tests.support.painted import BT601, BT709, BT2020, COLOURS, Coding

NEAR = 3  # levels of 255


def samples(frame: VideoFrame, plane: int) -> NDArray[np.uint16]:
    """A plane's numbers, in rows as they are shown."""
    part = frame.planes[plane]
    kind = np.uint16 if "10" in frame.format.name else np.uint8
    rows = np.frombuffer(bytes(part), kind).reshape(part.height, -1)
    return rows[:, : part.width].astype(np.uint16)


def downloaded(frame: VideoFrame) -> VideoFrame:
    """The frame as hardware hands it out: both parts of colour in one plane, ten bits on top."""
    deep = "10" in frame.format.name
    made = VideoFrame(frame.width, frame.height, "p010le" if deep else "nv12")
    luma, blue, red = (samples(frame, plane) for plane in range(3))
    chroma = np.stack([blue, red], axis=-1).reshape(blue.shape[0], -1)
    for plane, numbers in zip(made.planes, (luma, chroma), strict=True):
        part = numbers << 6 if deep else numbers.astype(np.uint8)
        width = plane.line_size // part.itemsize
        padded = np.zeros((part.shape[0], width), part.dtype)
        padded[:, : part.shape[1]] = part
        plane.update(padded.tobytes())
    made.colorspace, made.color_range = frame.colorspace, frame.color_range
    made.color_trc, made.color_primaries = frame.color_trc, frame.color_primaries
    return made


def shown(frame: VideoFrame, corrections: Corrections | None = None) -> NDArray[np.int16]:
    encoder = (
        JpegEncoder(FrameSize.parse("64x64"), 95)
        if corrections is None
        else JpegEncoder(FrameSize.parse("64x64"), 95, corrections)
    )
    return decode_jpeg(encoder.encode(frame)).permute(1, 2, 0).numpy().astype(np.int16)


@pytest.mark.parametrize("depth", ["", "10le"])
@pytest.mark.parametrize("full_range", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", [BT601, BT709, BT2020])
def test_colours_of_downloaded_frames(matrix: int, full_range: bool, depth: str) -> None:
    coding = Coding(matrix, full_range, f"yuv420p{depth}")
    for colour in COLOURS:
        picture = shown(downloaded(painted.frame(painted.parts(colour), coding)))
        assert np.abs(picture - np.array(colour)).max() <= NEAR, colour


def test_high_dynamic_range_is_mapped_all_the_same() -> None:
    coding = Coding(BT2020, False, "yuv420p10le")
    frame = painted.frame((0.4, 0.4, 0.4), coding, transfer=16, primaries=9)
    assert np.abs(shown(downloaded(frame)) - shown(frame)).max() <= 1


def test_shapes_and_turns_of_downloaded_frames() -> None:
    frame = painted.quarters((96, 64))
    assert np.abs(shown(downloaded(frame)) - shown(frame)).max() <= 1
    turned = Corrections(turn=Turn.RIGHT)
    assert shown(downloaded(frame), turned).shape == shown(frame, turned).shape
    assert np.abs(shown(downloaded(frame), turned) - shown(frame, turned)).max() <= 1


@pytest.mark.parametrize("size", [(66, 50), (98, 34), (1920, 1088)])
def test_sides_that_end_within_a_line(size: tuple[int, int]) -> None:
    frame = painted.quarters(size)
    assert np.abs(shown(downloaded(frame)) - shown(frame)).max() <= 1


def test_downloaded_frames_are_deinterlaced() -> None:
    frame = painted.quarters((96, 64))
    once = deinterlaced(frame), deinterlaced(downloaded(frame))
    assert np.abs(shown(once[0]) - shown(once[1])).max() <= 1


def test_without_hardware_nothing_is_said() -> None:
    frame = painted.quarters()
    assert hardware.device("none") == hardware.Device()
    assert hardware.accelerator("none") is None
    assert hardware.note("none", frame) == ""


def test_a_device_that_the_library_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    hardware.device.cache_clear()
    monkeypatch.setattr(hardware, "hwdevices_available", list)
    try:
        assert hardware.device("vaapi").why == "the decode library was built without vaapi"
        assert "cuda" in hardware.device("auto").why
        assert "vaapi" in hardware.device("auto").why
        assert hardware.accelerator("auto") is None
        note = hardware.note("auto", painted.quarters())
        assert note.startswith("decoded in software: the decode library was built without cuda")
    finally:
        hardware.device.cache_clear()


def test_a_stream_that_the_device_does_not_decode_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "device", lambda choice: hardware.Device("cuda"))
    frame = painted.quarters()
    assert hardware.note("cuda", downloaded(frame)) == ""
    assert "cuda device does not decode this stream" in hardware.note("cuda", frame)


def test_a_device_that_cannot_be_opened_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Absent:
        def __init__(self, kind: str) -> None:
            pass

        def create(self, codec: object) -> None:
            raise av.error.PermissionError(1, "Operation not permitted")

    hardware.device.cache_clear()
    monkeypatch.setattr(hardware, "HWAccel", Absent)
    monkeypatch.setattr(hardware, "hwdevices_available", lambda: ["cuda"])
    try:
        assert hardware.device("cuda").why == (
            "no cuda device can be used (Operation not permitted)"
        )
    finally:
        hardware.device.cache_clear()
