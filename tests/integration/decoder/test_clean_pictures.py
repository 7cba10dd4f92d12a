"""A frame that is taken shows what was filmed, whatever happened to the stream before it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from av.packet import Packet
from av.video.stream import VideoStream

from services.decoder.settings import DecoderSettings
from services.decoder.source import Source
from tests.support import hurt
from tests.support.hurt import FRAMES, GROUP, RATE, STREAMS, Luma
from tests.support.slow import slow

OFF = 1.0  # mean levels
Film = Callable[[str, str], tuple[Path, list[Luma]]]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    """Makes each intact film once."""
    made: dict[tuple[str, str], tuple[Path, list[Luma]]] = {}

    def of(name: str, suffix: str) -> tuple[Path, list[Luma]]:
        if (name, suffix) not in made:
            folder = tmp_path_factory.mktemp("films")
            path = hurt.film(folder / f"{name}{suffix}", name)
            made[name, suffix] = (path, hurt.shown(path))
        return made[name, suffix]

    return of


def taken(path: Path, truth: list[Luma]) -> list[int]:
    """The numbers of the frames that are yielded. All must show what was filmed."""
    numbers: list[int] = []
    with Source(path.as_uri(), DecoderSettings(media_root=path.parent)) as source:
        for frame in source.frames(lambda: None, lambda: None):
            shown = hurt.luma(frame).astype(np.int16)
            later = range(numbers[-1] + 1 if numbers else 0, len(truth))
            same = (n for n in later if float(np.abs(shown - truth[n]).mean()) <= OFF)
            number = next(same, None)
            assert number is not None, f"a frame after {numbers[-1:]} shows what was never filmed"
            numbers.append(number)
    return numbers


@pytest.mark.parametrize("suffix", [".ts", ".mp4", ".mkv"])
@pytest.mark.parametrize("name", STREAMS)
def test_an_intact_stream_is_taken_whole(film: Film, name: str, suffix: str) -> None:
    path, truth = film(name, suffix)
    assert taken(path, truth) == list(range(FRAMES))


@pytest.mark.parametrize("suffix", slow([".ts", ".mp4", ".mkv"], ".mkv"))
@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_that_was_joined_in_the_middle(
    tmp_path: Path, film: Film, name: str, suffix: str
) -> None:
    path, truth = film(name, ".ts")
    numbers = taken(hurt.changed(path, tmp_path / f"joined{suffix}", hurt.joined), truth)
    if "refresh" in name:  # a refresh takes a group, and begins with the next one
        assert GROUP <= numbers[0] <= 2 * GROUP
    else:
        assert GROUP - 1 <= numbers[0] <= GROUP + 3  # the frames that lead are not whole
    assert numbers == list(range(numbers[0], FRAMES))


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_that_was_joined_just_where_a_group_or_a_refresh_begins(
    tmp_path: Path, film: Film, name: str
) -> None:
    path, truth = film(name, ".ts")
    keys: list[int] = []

    def change(index: int, packet: Packet[VideoStream]) -> bytes | None:
        keys.extend([index] if packet.is_keyframe else [])
        return bytes(packet) if len(keys) >= 2 else None

    numbers = taken(hurt.changed(path, tmp_path / "joined.ts", change), truth)
    assert GROUP - 1 <= numbers[0] <= FRAMES - 10
    assert numbers == list(range(numbers[0], FRAMES))


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_without_timestamps_that_was_cut(tmp_path: Path, film: Film, name: str) -> None:
    """Anywhere, as a recorder does: what is left begins in the middle of a packet."""
    path, truth = film(name, ".hevc" if "265" in name else ".h264")
    data = path.read_bytes()
    for percent in (15, 30, 45):
        cut = tmp_path / f"cut{percent}{path.suffix}"
        cut.write_bytes(data[len(data) * percent // 100 :])
        numbers = taken(cut, truth)
        assert numbers
        assert numbers[-1] == FRAMES - 1


@pytest.mark.parametrize("suffix", slow([".ts", ".mp4", ".mkv"], ".mkv"))
@pytest.mark.parametrize("name", STREAMS)
def test_a_packet_that_never_came(tmp_path: Path, film: Film, name: str, suffix: str) -> None:
    path, truth = film(name, ".ts")
    numbers = taken(hurt.changed(path, tmp_path / f"lost{suffix}", hurt.lost), truth)
    assert set(range(GROUP + 6)) <= set(numbers)
    assert FRAMES - 1 in numbers
    assert len(numbers) >= FRAMES - 2 * GROUP


@pytest.mark.parametrize("suffix", slow([".ts", ".mp4", ".mkv"], ".mkv"))
@pytest.mark.parametrize("name", [name for name in STREAMS if name.startswith("h264")])
def test_half_a_packet(tmp_path: Path, film: Film, name: str, suffix: str) -> None:
    path, truth = film(name, ".ts")
    numbers = taken(hurt.changed(path, tmp_path / f"torn{suffix}", hurt.torn), truth)
    assert set(range(GROUP + 6)) <= set(numbers)
    assert FRAMES - 1 in numbers


@pytest.mark.parametrize("suffix", slow([".ts", ".mp4", ".mkv"], ".mkv"))
@pytest.mark.parametrize("name", STREAMS)
def test_a_part_that_was_never_written(tmp_path: Path, film: Film, name: str, suffix: str) -> None:
    """A decoder of H.265 makes a picture of it, and does not complain."""
    path, truth = film(name, ".ts")
    numbers = taken(hurt.changed(path, tmp_path / f"zeroed{suffix}", hurt.zeroed), truth)
    assert set(range(GROUP + 6)) <= set(numbers)
    assert FRAMES - 1 in numbers


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("name", ["h264", "h264-b", "h265", "h265-open"])
def test_an_end_that_was_never_written(tmp_path: Path, film: Film, name: str, suffix: str) -> None:
    """Where a unit has its length before it, zeros are no padding."""
    path, truth = film(name, suffix)
    numbers = taken(hurt.changed(path, tmp_path / f"unfinished{suffix}", hurt.unfinished), truth)
    assert set(range(GROUP + 6)) <= set(numbers)
    assert FRAMES - 1 in numbers


@pytest.mark.parametrize("suffix", slow([".ts", ".mp4", ".mkv"], ".mkv"))
@pytest.mark.parametrize("name", STREAMS)
def test_a_damaged_key_frame(tmp_path: Path, film: Film, name: str, suffix: str) -> None:
    """Its whole group is left out."""
    path, truth = film(name, ".ts")
    keys: list[int] = []

    def change(index: int, packet: Packet[VideoStream]) -> bytes:
        keys.extend([index] if packet.is_keyframe else [])
        if len(keys) == 2 and index == keys[-1]:
            return bytes(packet)[: packet.size // 2] + bytes(60) + bytes(packet)[-20:]
        return bytes(packet)

    numbers = taken(hurt.changed(path, tmp_path / f"key{suffix}", change), truth)
    assert set(range(GROUP - 6)) <= set(numbers)
    assert FRAMES - 1 in numbers
    assert not set(range(GROUP + 2, 2 * GROUP - 4)) & set(numbers)


@pytest.mark.parametrize("name", STREAMS)
def test_a_gap_in_a_transport_stream(tmp_path: Path, film: Film, name: str) -> None:
    """Bytes that were lost on the way, in the middle of the second group."""
    path, truth = film(name, ".ts")
    numbers = taken(hurt.interrupted(path, tmp_path / "interrupted.ts"), truth)
    assert FRAMES - 1 in numbers
    assert FRAMES - 2 * GROUP <= len(numbers) < FRAMES


def test_the_reason_of_a_gap_is_reported_once(tmp_path: Path, film: Film) -> None:
    path, _ = film("h264", ".ts")
    lost = hurt.changed(path, tmp_path / "lost.ts", hurt.lost)
    reported: list[tuple[float, str]] = []
    with Source(lost.as_uri(), DecoderSettings(media_root=tmp_path)) as source:
        for frame in source.frames(lambda: None, lambda: None):
            assert source.doubt is None
            if (reason := source.take_gap()) is not None:
                reported.append((round(source.position_s(frame) or 0, 2), reason))
    assert [at for at, _ in reported] == [2 * GROUP / RATE]
    assert "lost" in reported[0][1]
