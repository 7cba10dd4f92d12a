"""Pictures arrive upright, in proportion and without combs, whatever shape they were sent in."""

from __future__ import annotations

from fractions import Fraction
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from av.video.frame import VideoFrame
from PIL import Image

from hermes.errors import Unsupported
from services.decoder.picture import FrameSize, JpegEncoder
from services.decoder.source import Source
from tests.support import painted, video
from tests.support.seen import Picture, decoder_settings, seen

RED, GREEN, BLUE, WHITE = "red", "green", "blue", "white"
PALETTE = {RED: (200, 30, 30), GREEN: (30, 200, 30), BLUE: (30, 30, 200), WHITE: (200, 200, 200)}


def corners(picture: Picture) -> list[str]:
    """The colours in the four corners, row by row."""
    found = []
    for row, column in ((2, 2), (2, -3), (-3, 2), (-3, -3)):
        pixel = picture[row, column].astype(int)
        nearest = min(PALETTE, key=lambda name: abs(pixel - PALETTE[name]).sum())
        assert abs(pixel - PALETTE[nearest]).max() <= 6
        found.append(nearest)
    return found


TURNS: dict[
    tuple[float, bool, bool], list[str]
] = {  # degrees counterclockwise, then mirrored in each direction
    (0, False, False): [RED, GREEN, BLUE, WHITE],
    (90, False, False): [GREEN, WHITE, RED, BLUE],
    (180, False, False): [WHITE, BLUE, GREEN, RED],
    (270, False, False): [BLUE, RED, WHITE, GREEN],
    (0, True, False): [GREEN, RED, WHITE, BLUE],
    (0, False, True): [BLUE, WHITE, RED, GREEN],
    (90, True, False): [WHITE, GREEN, BLUE, RED],
    (270, True, False): [RED, BLUE, GREEN, WHITE],
}


@pytest.mark.parametrize(
    ("suffix", "turn"),
    # Matroska keeps turns alone.
    [(".mp4", turn) for turn in TURNS] + [(".mkv", turn) for turn in TURNS if not any(turn[1:])],
)
def test_the_display_matrix_is_applied(
    tmp_path: Path, suffix: str, turn: tuple[float, bool, bool]
) -> None:
    path = painted.write(tmp_path / f"turned{suffix}", [painted.quarters()] * 3, turn=turn)
    for picture in seen(path, "96x64"):
        assert picture.shape == ((96, 64, 3) if turn[0] % 180 else (64, 96, 3))
        assert corners(picture) == TURNS[turn]


def test_nothing_that_turns_it_again_travels_along(tmp_path: Path) -> None:
    """Programs that heed a JPEG's own orientation must not turn it twice."""
    path = painted.write(tmp_path / "turned.mp4", [painted.quarters()], turn=(90, False, False))
    with Source(path.as_uri(), decoder_settings(path)) as source:
        for frame in source.frames(lambda: None, lambda: None):
            jpeg = JpegEncoder(FrameSize.parse("96x64"), 95).encode(frame)
            with Image.open(BytesIO(jpeg)) as image:
                assert not image.getexif()
                assert "icc_profile" not in image.info


def test_a_slanted_picture_is_refused_by_name(tmp_path: Path) -> None:
    path = painted.write(tmp_path / "slanted.mp4", [painted.quarters()], turn=(45, False, False))
    with pytest.raises(Unsupported, match="only quarter turns"):
        seen(path)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize(
    ("pixel_aspect", "shape"),
    [
        (Fraction(2), (192, 64)),
        (Fraction(4, 3), (128, 64)),
        (Fraction(1, 2), (96, 128)),
        (Fraction(8, 9), (96, 72)),
    ],
)
def test_pixels_become_square(
    tmp_path: Path, suffix: str, pixel_aspect: Fraction, shape: tuple[int, int]
) -> None:
    path = painted.write(
        tmp_path / f"wide{suffix}", [painted.quarters()] * 3, pixel_aspect=pixel_aspect
    )
    for picture in seen(path, "384x384"):
        assert picture.shape[1::-1] == shape
        assert corners(picture) == [RED, GREEN, BLUE, WHITE]


def test_a_turned_picture_of_wide_pixels(tmp_path: Path) -> None:
    path = painted.write(
        tmp_path / "both.mp4",
        [painted.quarters()],
        pixel_aspect=Fraction(2),
        turn=(90, False, False),
    )
    (picture,) = seen(path, "384x384")
    assert picture.shape[1::-1] == (64, 192)
    assert corners(picture) == [GREEN, WHITE, RED, BLUE]


def test_a_stream_that_changes_its_pixels(tmp_path: Path) -> None:
    joined = b""
    for aspect in (Fraction(1), Fraction(2), Fraction(4, 3)):
        name = tmp_path / f"{aspect.numerator}.h264"
        frames = [painted.quarters()] * 4
        joined += painted.write(name, frames, pixel_aspect=aspect).read_bytes()
    path = tmp_path / "joined.h264"
    path.write_bytes(joined)
    widths = [picture.shape[1] for picture in seen(path, "384x384")]
    assert widths == [96] * 4 + [192] * 4 + [128] * 4


@pytest.mark.parametrize(
    "shape", [(4096, 16), (18, 2048), (98, 66), (34, 1026), (2050, 18), (4096, 2160)]
)
def test_extreme_shapes(tmp_path: Path, shape: tuple[int, int]) -> None:
    path = painted.write(
        tmp_path / "shape.mp4", [painted.quarters(shape)] * 2, options={"preset": "ultrafast"}
    )
    for picture in seen(path, "384x384"):
        height, width, _ = picture.shape
        scale = min(1.0, (384 * 384 / (shape[0] * shape[1])) ** 0.5)
        assert abs(width - scale * shape[0]) <= 1
        assert abs(height - scale * shape[1]) <= 1
        assert corners(picture) == [RED, GREEN, BLUE, WHITE]


def test_odd_sides(tmp_path: Path) -> None:
    """4:4:4 can have them, and so can cropped 4:2:0."""
    frame = painted.frame(
        painted.parts((30, 200, 30)), painted.Coding(1, False, "yuv444p"), (97, 65)
    )
    (picture,) = seen(painted.write(tmp_path / "odd.mp4", [frame]), "384x384")
    assert picture.shape == (64, 96, 3)
    assert abs(picture.astype(int) - (30, 200, 30)).max() <= 3


def test_sizes_that_change_from_frame_to_frame(tmp_path: Path) -> None:
    sizes = [(96, 64), (64, 96), (4096, 16), (128, 128), (96, 64), (18, 512)]
    joined = b""
    for number, size in enumerate(sizes):
        name = tmp_path / f"{number}.h264"
        joined += painted.write(name, [painted.quarters(size)]).read_bytes()
    path = tmp_path / "joined.h264"
    path.write_bytes(joined)
    pictures = seen(path, "384x384")
    assert [picture.shape[1::-1] for picture in pictures] == sizes
    for picture in pictures:
        assert corners(picture) == [RED, GREEN, BLUE, WHITE]


def combed(index: int, width: int = 192, height: int = 128) -> VideoFrame:
    """A bright bar in flight: the two fields of a frame show it in two places."""
    luma = np.full((height, width), 60, np.uint8)
    for field in (0, 1):
        left = 12 * (2 * index + field) % (width - 40)
        luma[field::2, left : left + 40] = 200
    frame = VideoFrame.from_ndarray(luma, format="gray").reformat(
        format="yuv420p", src_color_range="JPEG", dst_color_range="JPEG"
    )
    frame.colorspace, frame.color_range = painted.BT601, 1
    return frame


def combs(picture: Picture) -> float:
    """How much lines differ from both their neighbours."""
    grey = picture.astype(int).mean(axis=2)
    return float(np.abs(2 * grey[1:-1] - grey[:-2] - grey[2:]).mean())


@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("libx264", {"x264-params": "tff=1"}),
        ("libx264", {"x264-params": "bff=1"}),
        ("mpeg2video", {"flags": "+ildct+ilme", "top": "1", "qmin": "1", "qmax": "2"}),
    ],
)
def test_interlaced_frames_show_one_moment(
    tmp_path: Path, codec: str, options: dict[str, str]
) -> None:
    frames = [combed(index) for index in range(6)]
    still = painted.write(tmp_path / "progressive.ts", frames, codec="libx264")
    assert min(map(combs, seen(still, "192x128"))) > 10
    path = painted.write(tmp_path / "interlaced.ts", frames, codec=codec, options=options)
    pictures = seen(path, "192x128")
    assert len(pictures) == 6
    for picture in pictures:
        assert picture.shape == (128, 192, 3)
        assert combs(picture) < 1.5
        # The bar has its width, and not that of both its places.
        bright = (picture[64, :, 1] > 130).sum()
        assert abs(int(bright) - 40) <= 4


def test_single_fields_of_h265_have_half_the_lines(tmp_path: Path) -> None:
    options = {"x265-params": "interlace=tff:log-level=none:pools=none:lossless=1"}
    frames = [painted.quarters((96, 32))] * 4
    path = painted.write(tmp_path / "fields.mp4", frames, codec="libx265", options=options)
    for picture in seen(path, "384x384"):
        assert picture.shape[1::-1] == (96, 64)
        assert corners(picture) == [RED, GREEN, BLUE, WHITE]


def test_progressive_frames_are_not_touched(tmp_path: Path) -> None:
    path = video.write(tmp_path / "plain.mp4", 3)
    for picture in seen(path, "96x64"):
        assert picture.shape == (64, 96, 3)
