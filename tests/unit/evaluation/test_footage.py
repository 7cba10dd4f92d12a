"""Pictures of files: their times, their rate, and files that cannot be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hermes.errors import InvalidInput
from hermes.evaluation.footage import BrokenVideo, open_footage
from tests.support import video


@pytest.mark.parametrize(
    ("fps", "wanted"),
    [
        (1, [0, 10, 20]),
        (2, [0, 5, 10, 15, 20, 25]),
        (0.5, [0, 20]),
        (4, [0, 2, 5, 7, 10, 12, 15, 17, 20, 22, 25, 27]),  # the source has ten a second
        (30, list(range(30))),  # a rate above the source's own
    ],
)
def test_the_pictures_of_a_file(tmp_path: Path, fps: float, wanted: list[int]) -> None:
    path = video.write(tmp_path / "v.mp4", frames=30)
    footage = open_footage(path, fps)
    assert footage.seconds == pytest.approx(3, abs=0.11)
    shown = list(footage.play())
    times = [at for at, _ in shown]
    assert times == sorted(times)
    luma = [round(float(picture.float().mean())) for _, picture in shown]
    expected = [round((video.brightness(index) - 16) * 255 / 219) for index in wanted]
    if fps != 4:
        assert [abs(one - other) <= 4 for one, other in zip(luma, expected, strict=True)] == [
            True
        ] * len(wanted)
    else:
        assert len(shown) == len(wanted)
    if fps <= 2:
        assert times == [number / fps for number in range(len(wanted))]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    good = video.write(tmp_path / "v.mp4", frames=30)
    cases = {
        "empty.mp4": b"",
        "text.mp4": b"no video" * 100,
        "cut.mp4": good.read_bytes()[:200],
        "short.npy": b"\x93NUMPY",
    }
    for name, data in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(BrokenVideo, match=name):
            list(open_footage(tmp_path / name, 1).play())
    np.save(tmp_path / "flat.npy", np.zeros((3, 4), np.uint8))
    with pytest.raises(BrokenVideo, match="is no array of pictures"):
        open_footage(tmp_path / "flat.npy", 1)


def test_an_array_of_pictures_has_one_a_second(tmp_path: Path) -> None:
    pictures = np.arange(6, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 5, 3), np.uint8)
    path = tmp_path / "v.npy"
    np.save(path, pictures)
    footage = open_footage(path, 0.5)
    assert footage.seconds == 6
    shown = [(at, int(picture[0, 0, 0])) for at, picture in footage.play()]
    assert shown == [(0, 0), (2, 2), (4, 4)]
    assert next(iter(footage.play()))[1].shape == (3, 4, 5)
    with pytest.raises(InvalidInput, match="at most 1 can be taken"):
        open_footage(path, 2)
