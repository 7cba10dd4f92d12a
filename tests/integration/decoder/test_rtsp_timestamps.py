"""Timestamps as RTSP cameras send them: frames are taken as they come, neither late nor at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from hermes.v1.camera_pb2 import Camera
from services.decoder.settings import DecoderSettings
from tests.support import rtp, video
from tests.support.reading import Reading
from tests.support.rtsp_camera import RtspCamera
from tests.support.waiting import eventually

RATE = 20
TICKS = rtp.CLOCK_HZ // RATE
HOURS = 2 * 3600 * rtp.CLOCK_HZ
FPS = 5.0

ODD: dict[str, Callable[[int], int]] = {
    "first-ahead": lambda n: 22530 if n == 0 else 3780 + TICKS * (n - 1),
    "wrap": lambda n: 2**32 + (n - 30) * TICKS,
    "twice": lambda n: n // 2 * 2 * TICKS,
    "all-equal": lambda n: 7,
    "descending": lambda n: HOURS - n * TICKS,
    "set-back": lambda n: HOURS + n * TICKS - (HOURS if n >= 30 else 0),
    "set-back-a-little": lambda n: HOURS + n * TICKS - (3 * rtp.CLOCK_HZ if n >= 30 else 0),
    "ahead": lambda n: n * TICKS + (HOURS if n >= 30 else 0),
    "ahead-a-little": lambda n: n * TICKS + (3 * rtp.CLOCK_HZ if n >= 30 else 0),
    "each-frame": lambda n: n * HOURS,
    "sawtooth": lambda n: HOURS + n % 10 * TICKS,
}
SPEEDS: dict[str, Callable[[int], int]] = {
    "half": lambda n: n * TICKS // 2,
    "double": lambda n: n * TICKS * 2,
}


@dataclass
class OddCamera(RtspCamera):
    """A camera whose timestamps a test chooses."""

    stamp: Callable[[int], int] = field(default=lambda n: n * TICKS)

    def play(self, viewer: Any) -> None:
        super().play(_Restamped(viewer, self.stamp))  # type: ignore[arg-type]


class _Restamped:
    """A viewer that gets other timestamps."""

    def __init__(self, viewer: Any, stamp: Callable[[int], int]) -> None:
        self.transport = viewer.transport
        self.close = viewer.close
        self._viewer = viewer
        self._stamp = stamp

    def send(self, packet: bytes) -> None:
        number = int.from_bytes(packet[4:8], "big") // TICKS
        time = (self._stamp(number) % 2**32).to_bytes(4, "big")
        self._viewer.send(packet[:4] + time + packet[8:])


def taken(path: Path, stamps: dict[str, Callable[[int], int]], frames: int) -> dict[str, list[int]]:
    """When the frames of such cameras were captured, all of them at once."""
    with ExitStack() as stack:
        readings: dict[str, Reading] = {}
        for kind, stamp in stamps.items():
            camera = stack.enter_context(OddCamera(path, rate=RATE, stamp=stamp))
            readings[kind] = stack.enter_context(
                Reading(
                    Camera(id=kind, url=camera.url(), sampling={"frames_per_second": FPS}),
                    DecoderSettings(frame_size="64", networks_denied=""),
                )
            )
        for kind, reading in readings.items():
            eventually(
                lambda r=reading: len(r.frames) >= frames,  # type: ignore[misc]
                60.0,
                name=kind,
            )
            assert time.time_ns() // 10**6 >= reading.capture_ms[-1]
        return {kind: reading.capture_ms for kind, reading in readings.items()}


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.h264"
    return video.write(path, 4 * RATE, rate=RATE, gop=RATE // 2)


@pytest.mark.parametrize(
    "kinds",
    [["first-ahead", "twice", "ahead"], pytest.param([*ODD], marks=pytest.mark.slow)],
    ids=["some", "all"],
)
def test_frames_are_taken_as_they_come(film: Path, kinds: list[str]) -> None:
    wanted = 15
    for kind, times in taken(film, {kind: ODD[kind] for kind in kinds}, wanted).items():
        times = times[:wanted]
        steps = [b - a for a, b in pairwise(times)]
        assert all(0 < step < 450 for step in steps), (kind, steps)
        assert sum(step < 100 for step in steps) <= 4, (kind, steps)
        assert times[-1] - times[4] == pytest.approx(2000, abs=450), (kind, steps)


def test_a_clock_that_is_set_before_the_first_key_frame_is_no_loss(tmp_path: Path) -> None:
    """The camera is joined between two key frames: what is lost of it is half a second."""
    whole = video.write(tmp_path / "film.h264", 4 * RATE, rate=RATE, gop=RATE)
    units = rtp.access_units(whole)
    joined = tmp_path / "joined.h264"
    parameters, rest = units[0][:-1], units[RATE // 2 :]
    joined.write_bytes(
        b"".join(
            b"\0\0\0\1\x09\x10" + b"".join(b"\0\0\0\1" + nal for nal in unit)
            for unit in [[*parameters, *rest[0]], *rest[1:]]
        )
    )
    settings = DecoderSettings(frame_size="64", networks_denied="")
    with OddCamera(
        joined, rate=RATE, stamp=lambda n: n * TICKS + (HOURS if n > 4 else 0)
    ) as camera:
        sampling = {"frames_per_second": FPS}
        with Reading(Camera(id="lobby", url=camera.url(), sampling=sampling), settings) as reading:
            eventually(lambda: len(reading.frames) >= 3, name="frames")
            assert 1 <= reading.report.damaged <= 4


@pytest.mark.slow
def test_timestamps_at_another_speed_are_found_out(film: Path) -> None:
    """After ten seconds the clock counts instead."""
    for speed, times in taken(film, SPEEDS, 5 * 16).items():
        steps = [b - a for a, b in pairwise(times[-25:])]
        assert sum(steps) / len(steps) == pytest.approx(200, rel=0.1), (speed, steps)
        assert max(steps) < 450, (speed, steps)
