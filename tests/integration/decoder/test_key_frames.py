"""What is not wanted is not decoded, and what is kept is the same."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from services.decoder.sampler import Sampler
from services.decoder.settings import DecoderSettings
from services.decoder.source import Source
from tests.support import video
from tests.support.transport_stream import CLOCK_HZ, restamped

RATE = 10


def read(path: Path, frames_per_second: float, *, rests: bool) -> tuple[list[int], int]:
    """Media times (ms) of the frames that were kept, and how many were decoded."""
    kept: list[int] = []
    decoded = 0
    settings = DecoderSettings(media_root=path.parent)
    with Source(path.as_uri(), settings) as source:
        sampler = Sampler(frames_per_second, source.frame_s)
        for frame in source.frames(lambda: None, lambda: pytest.fail("a frame was damaged")):
            decoded += 1
            at_s = source.position_s(frame)
            assert at_s is not None
            if sampler.wants(at_s):
                kept.append(round(1000 * at_s))
                if rests:
                    source.rest(sampler.next_s, slack_s=0.75 * source.frame_s)
    return kept, decoded


B_FRAMES = {"tune": "film", "bf": "3", "x264-params": "scenecut=0:b-adapt=0:bframes=3"}
OPEN_GOP = B_FRAMES | {"x264-params": "scenecut=0:b-adapt=0:bframes=3:open-gop=1"}


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize("options", [{}, B_FRAMES, OPEN_GOP], ids=["p", "b", "open"])
def test_the_same_frames_for_less(tmp_path: Path, suffix: str, options: dict[str, str]) -> None:
    """A key frame a second, a frame a second: but for the first few, only key frames."""
    path = video.write(tmp_path / f"clip{suffix}", 200, rate=RATE, gop=RATE, options=options)
    everything, all_of_them = read(path, 1.0, rests=False)
    kept, decoded = read(path, 1.0, rests=True)
    assert kept == everything
    assert len(kept) == 20
    assert all_of_them == 200
    assert decoded < 90


@pytest.mark.parametrize(("frames_per_second", "most"), [(0.5, 60), (0.2, 60), (0.4, 100)])
def test_key_frames_that_are_not_wanted_are_skipped_too(
    tmp_path: Path, frames_per_second: float, most: int
) -> None:
    """A key frame a second, and a frame in two seconds or more: 40 teach the interval."""
    path = video.write(tmp_path / "clip.mp4", 200, rate=RATE, gop=RATE)
    everything, _ = read(path, frames_per_second, rests=False)
    kept, decoded = read(path, frames_per_second, rests=True)
    assert kept == everything
    assert len(kept) == 20 * frames_per_second
    assert decoded < most


def test_a_clock_that_is_set_back_cannot_make_skipping_endless(tmp_path: Path) -> None:
    """Key frames come each second, until the camera sets its clock back and sends none any more."""
    first = video.write(
        tmp_path / "clip.ts", 105, rate=RATE, gop=RATE,
        times_ms=[7_200_000 + 100 * n for n in range(105)],
    )  # fmt: skip
    second = video.write(tmp_path / "more.ts", 300, rate=RATE, gop=10_000)
    joined = tmp_path / "joined.ts"
    # Half a minute back: from a minute on, the library takes it for a clock that ran over.
    later = restamped(second, lambda n: 7170 * CLOCK_HZ + n * CLOCK_HZ // RATE)[1:]
    joined.write_bytes(first.read_bytes() + b"".join(later))
    skipping: list[bool] = []
    with Source(joined.as_uri(), DecoderSettings(media_root=tmp_path)) as source:
        sampler = Sampler(1.0, source.frame_s)
        for frame in source.frames(lambda: skipping.append(source.resting), lambda: None):
            at_s = source.position_s(frame)
            assert at_s is not None
            if sampler.wants(at_s):
                source.rest(sampler.next_s, slack_s=0.75 * source.frame_s)
        assert source.doubt is not None
    assert len(skipping) > 400
    assert not any(skipping[-200:])


def test_long_groups_are_decoded_as_far_as_they_are_wanted(tmp_path: Path) -> None:
    """A key frame in four seconds: the last quarter of each can be left out."""
    path = video.write(tmp_path / "clip.mp4", 400, rate=RATE, gop=4 * RATE)
    everything, _ = read(path, 1.0, rests=False)
    kept, decoded = read(path, 1.0, rests=True)
    assert kept == everything
    assert 300 < decoded < 375


def test_frames_that_no_other_needs_are_left_out_in_long_groups(tmp_path: Path) -> None:
    path = video.write(tmp_path / "clip.mp4", 200, rate=RATE, gop=10_000, options=B_FRAMES)
    everything, all_of_them = read(path, 1.0, rests=False)
    kept, decoded = read(path, 1.0, rests=True)
    assert kept == everything
    assert len(kept) == 20
    assert all_of_them == 200
    assert decoded < 140


def test_groups_that_do_not_fit_are_decoded(tmp_path: Path) -> None:
    path = video.write(tmp_path / "clip.mp4", 120, rate=RATE, gop=10_000)
    everything, _ = read(path, 2.0, rests=False)
    assert read(path, 2.0, rests=True) == (everything, 120)


def test_a_key_frame_that_does_not_come_costs_its_group_alone(tmp_path: Path) -> None:
    """Regular for ten seconds; then the camera sends one in six seconds."""
    first = video.write(tmp_path / "clip.ts", 100, rate=RATE, gop=RATE)
    second = video.write(
        tmp_path / "more.ts", 180, rate=RATE, gop=60,
        times_ms=[10_000 + 100 * n for n in range(180)],
    )  # fmt: skip
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    errors: list[None] = []
    settings = DecoderSettings(media_root=tmp_path)
    kept: list[float] = []
    with Source(joined.as_uri(), settings) as source:
        sampler = Sampler(1.0, source.frame_s)
        for frame in source.frames(lambda: None, lambda: errors.append(None)):
            at_s = source.position_s(frame)
            assert at_s is not None
            if sampler.wants(at_s):
                kept.append(at_s)
                source.rest(sampler.next_s, slack_s=0.75 * source.frame_s)
    gaps = [later - earlier for earlier, later in itertools.pairwise(kept)]
    assert max(gaps) <= 7.0
    assert kept[-1] >= 26.0
