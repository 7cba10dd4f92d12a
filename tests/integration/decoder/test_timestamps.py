"""Timestamps as cameras and recorders write them: no hole, no burst, and the right times."""

from __future__ import annotations

import random
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from hermes.v1.camera_pb2 import Camera
from services.decoder.settings import DecoderSettings
from tests.support import video
from tests.support.reading import Reading, read_file
from tests.support.transport_stream import CLOCK_HZ, LiveStreams, Stamp, restamped
from tests.support.waiting import eventually

RATE = 20
FRAMES = 3 * RATE
TICKS = CLOCK_HZ // RATE
HOURS = 2 * 3600 * CLOCK_HZ
LIVE_FPS = 5.0


def jittered(number: int) -> int:
    return number * TICKS + random.Random(number).randrange(-TICKS // 3, TICKS // 3)


ODD: dict[str, Stamp] = {
    "honest": lambda n: n * TICKS,
    "first-ahead": lambda n: 22530 if n == 0 else 3780 + TICKS * (n - 1),
    "none": lambda n: None,
    "some": lambda n: n * TICKS if n % 3 == 0 else None,
    "first-none": lambda n: None if n < 5 else n * TICKS,
    "wrap": lambda n: 2**33 + (n - FRAMES // 2) * TICKS,
    "twice": lambda n: n // 2 * 2 * TICKS,
    "all-equal": lambda n: 7 * CLOCK_HZ,
    "descending": lambda n: HOURS - n * TICKS,
    "shuffled": lambda n: (n ^ 1) * TICKS,
    "jittered": lambda n: CLOCK_HZ + jittered(n),
    "set-back": lambda n: HOURS + n * TICKS - (HOURS if n >= 25 else 0),
    "set-back-a-little": lambda n: HOURS + n * TICKS - (3 * CLOCK_HZ if n >= 25 else 0),
    "sawtooth": lambda n: HOURS + n % 10 * TICKS,
}
JUMPS: dict[str, Stamp] = {
    "ahead": lambda n: n * TICKS + (HOURS if n >= 25 else 0),
    "ahead-a-little": lambda n: n * TICKS + (4 * CLOCK_HZ if n >= 25 else 0),
    "ahead-and-back": lambda n: n * TICKS + (HOURS if 20 <= n < 40 else 0),
    "each-frame": lambda n: n * HOURS % 2**33,
}
"""A file may have a pause of hours; a live source that is not silent cannot."""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.ts"
    return video.write(path, FRAMES, rate=RATE, gop=RATE // 2)


@pytest.mark.parametrize("kind", ODD)
def test_a_file_has_its_frames_at_their_times(tmp_path: Path, film: Path, kind: str) -> None:
    path = tmp_path / "odd.ts"
    path.write_bytes(b"".join(restamped(film, ODD[kind])))
    times = read_file(path, 5.0).media_ms
    assert len(times) == pytest.approx(15, abs=1)
    steps = [b - a for a, b in pairwise(times)]
    assert all(100 <= step <= 400 for step in steps), times
    assert times[0] <= 100
    assert times[-1] == pytest.approx(2800, abs=300)


def test_a_pause_in_a_file_is_in_its_times(tmp_path: Path, film: Path) -> None:
    path = tmp_path / "odd.ts"
    path.write_bytes(b"".join(restamped(film, JUMPS["ahead"])))
    times = read_file(path, 5.0).media_ms
    assert len(times) == pytest.approx(15, abs=1)
    assert max(b - a for a, b in pairwise(times)) == pytest.approx(7_200_000, abs=300)


def test_a_variable_frame_rate_is_followed(tmp_path: Path) -> None:
    stamps = [0, 40, 80, 1000, 4000, 4040, 4900, 9000, 9500, 9900, 12_000]
    path = video.write(tmp_path / "odd.mp4", len(stamps), rate=25, times_ms=stamps)
    times = read_file(path, 1.0).media_ms
    assert set(times) <= set(stamps)
    assert {round(time / 1000) for time in times} == {round(stamp / 1000) for stamp in stamps}


@pytest.mark.parametrize("suffix", [".avi", ".h264"])
def test_b_frames_without_timestamps(tmp_path: Path, suffix: str) -> None:
    """Neither format has any of its own: order and rate are what is known."""
    options = {"tune": "film", "bf": "3", "x264-params": "scenecut=0:b-adapt=0:aud=1"}
    path = video.write(tmp_path / f"odd{suffix}", 50, rate=25, options=options)
    times = read_file(path, 5.0).media_ms
    assert len(times) == pytest.approx(10, abs=1)
    assert all(120 <= b - a <= 240 for a, b in pairwise(times)), times
    assert times[0] <= 80
    assert 1800 <= times[-1] <= 2000


@pytest.mark.slow
def test_live_streams_neither_pause_nor_rush(film: Path) -> None:
    """All at once, because each takes as long as it shows."""
    kinds = ODD | JUMPS
    streams = {kind: restamped(film, stamp) for kind, stamp in kinds.items()}
    settings = DecoderSettings(frame_size="64")
    wanted = round(LIVE_FPS * FRAMES / RATE) - 1
    with LiveStreams(streams, RATE) as server, ExitStack() as stack:
        sampling = {"frames_per_second": LIVE_FPS}
        readings = {
            kind: stack.enter_context(
                Reading(Camera(id=kind, url=server.url(kind), sampling=sampling), settings)
            )
            for kind in kinds
        }
        for kind, reading in readings.items():
            eventually(lambda r=reading: len(r.frames) >= wanted, name=kind)  # type: ignore[misc]
    for kind, reading in readings.items():
        times = reading.capture_ms[:wanted]
        steps = [b - a for a, b in pairwise(times)]
        assert all(0 < step < 450 for step in steps), (kind, steps)
        assert sum(step < 100 for step in steps) <= 3, (kind, steps)
        assert times[-1] - times[0] == pytest.approx(1000 * (wanted - 1) / LIVE_FPS, abs=450), kind
