"""Single pictures: right colours, upright, and none that is damaged."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from services.decoder.faults import SourceFault
from services.decoder.jpeg_marks import jpeg_end, jpeg_size
from services.decoder.picture import FrameSize, JpegEncoder
from services.decoder.still import StillDecoder
from tests.support.stills import BLUE, GREEN, RED, colour_of, still


def shown(data: bytes) -> Image.Image:
    """The picture as memory gets it."""
    frame = StillDecoder().decode(data)
    assert frame is not None
    return Image.open(io.BytesIO(JpegEncoder(FrameSize.parse("640x640"), 95).encode(frame)))


def near(found: object, wanted: tuple[int, ...]) -> bool:
    assert isinstance(found, tuple)
    return all(abs(a - b) <= 3 for a, b in zip(found, wanted, strict=True))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("size", [(64, 48), (960, 720)])
def test_colours(kind: str, size: tuple[int, int]) -> None:
    picture = shown(still(GREEN, size, kind)).convert("RGB")
    assert near(picture.getpixel((picture.width - 4, picture.height - 4)), GREEN)
    assert near(picture.getpixel((3, 3)), RED)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_owes_nothing_to_the_one_before(kind: str) -> None:
    decoder = StillDecoder()
    for colour in (GREEN, BLUE, BLUE, GREEN):
        frame = decoder.decode(still(colour, kind=kind))
        assert frame is not None
        assert near(colour_of(frame), colour)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_grey_has_the_full_range(kind: str) -> None:
    picture = shown(still((5, 5, 5), kind=kind, grey=True)).convert("RGB")
    assert near(picture.getpixel((60, 44)), (5, 5, 5))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    ("orientation", "red_at"),
    [(1, "lu"), (2, "ru"), (3, "rd"), (4, "ld"), (5, "lu"), (6, "ru"), (7, "rd"), (8, "ld")],
)
def test_exif_turns_it_upright(kind: str, orientation: int, red_at: str) -> None:
    picture = shown(still(GREEN, (64, 48), kind, orientation=orientation)).convert("RGB")
    assert picture.size == ((64, 48) if orientation < 5 else (48, 64))
    x = 3 if red_at[0] == "l" else picture.width - 4
    y = 3 if red_at[1] == "u" else picture.height - 4
    assert near(picture.getpixel((x, y)), RED)


LARGE = still(size=(320, 240), noise=True)


@pytest.mark.parametrize(
    "damaged",
    [
        LARGE[:20_000],
        LARGE[:20_000] + b"\xff\xd9",
        LARGE[:20_000] + LARGE[26_000:],
        LARGE[:-2],
        still(kind="PNG", noise=True)[:5000],
        still(kind="WEBP", noise=True)[:1000],
        b"<html>the camera is starting</html>",
        b"",
        b"\xff\xd8\xff",
    ],
)
def test_a_damaged_picture_is_none(damaged: bytes) -> None:
    decoder = StillDecoder()
    assert decoder.decode(damaged) is None
    assert decoder.decode(LARGE) is not None, "the next one is whole"


def test_what_follows_a_jpeg_does_no_harm() -> None:
    assert StillDecoder().decode(LARGE + b"\0" * 100 + b"\xff\xd8\xff") is not None
    assert jpeg_end(LARGE + b"more") == len(LARGE)


def test_the_end_of_a_thumbnail_is_not_that_of_the_picture() -> None:
    thumbnail = still(size=(16, 12))
    application = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    data = LARGE[:2] + application + LARGE[2:]
    assert jpeg_end(data) == len(data)
    assert jpeg_end(data[:-2]) is None
    assert jpeg_size(data) == (320, 240)


def test_one_that_is_too_large_is_refused_by_its_size() -> None:
    head = LARGE.index(b"\xff\xc0")
    huge = LARGE[: head + 5] + b"\xff\xff\xff\xff" + LARGE[head + 9 :]
    with pytest.raises(SourceFault, match="65535x65535"):
        StillDecoder().decode(huge)
