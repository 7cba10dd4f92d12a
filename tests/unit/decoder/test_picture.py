from __future__ import annotations

import av
import pytest
from av.video.frame import VideoFrame
from hypothesis import given
from hypothesis import strategies as st

from services.decoder.picture import FrameSize, JpegEncoder
from tests.support import painted
from tests.support.painted import BT2020, Coding
from tests.support.video import brightness, picture


def decode(jpeg: bytes) -> VideoFrame:
    codec = av.CodecContext.create("mjpeg", "r")
    return codec.decode(av.Packet(jpeg))[0]


@pytest.mark.parametrize("text", ["", "x", "384x", "0", "8x8", "99999", "384X384x3", "-5", "5000"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        FrameSize.parse(text)


def test_sizes() -> None:
    assert FrameSize.parse("384x216").of(1920, 1080) == (384, 216)
    # As many pixels as 384x384, in the picture's own proportions.
    assert FrameSize.parse("384x384").of(1920, 1080) == (512, 288)
    assert FrameSize.parse("384x384").of(1080, 1920) == (288, 512)
    assert FrameSize.parse("384x384").of(1000, 1000) == (384, 384)
    assert FrameSize.parse("384").of(1920, 1080) == (384, 216)
    assert FrameSize.parse("384").of(1080, 1920) == (216, 384)


@given(st.integers(16, 4096), st.integers(1, 8192), st.integers(1, 8192))
def test_the_longest_side_is_what_was_asked_for(side: int, width: int, height: int) -> None:
    got = FrameSize.parse(str(side)).of(width, height)
    assert abs(max(got) - side) <= 1
    assert min(got) >= 2
    assert got[0] % 2 == got[1] % 2 == 0


def test_a_bound_on_pixels_enlarges_nothing() -> None:
    size = FrameSize.parse("384x384")
    for shape in ((4096, 16), (18, 2048), (96, 64), (2, 2)):
        assert size.of(*shape) == shape
    assert size.of(97, 65) == (96, 64)
    assert size.of(1, 1) == (2, 2)
    assert size.of(60_000, 2) == (4096, 2)  # a worker takes no longer side


@given(st.integers(16, 4096), st.integers(16, 4096), st.integers(2, 9000), st.integers(2, 9000))
def test_proportions_are_kept_within_the_bound(
    wide: int, high: int, width: int, height: int
) -> None:
    got_width, got_height = FrameSize.parse(f"{wide}x{high}").of(width, height)
    assert (got_width - 2) * (got_height - 2) <= wide * high
    scale = min(1.0, (wide * high / (width * height)) ** 0.5, 4096 / max(width, height))
    assert abs(got_width - scale * width) <= 2
    assert abs(got_height - scale * height) <= 2


def test_a_frame_is_the_same_picture_however_often_it_is_encoded() -> None:
    frame = painted.frame(painted.parts((30, 200, 30)), Coding(BT2020), tag=BT2020)
    frame.pts = 17
    encoder = JpegEncoder(FrameSize.parse("64"), 95)
    first = encoder.encode(frame)
    assert encoder.encode(frame) == first
    assert (frame.pts, frame.colorspace, frame.color_range) == (17, BT2020, 1)


def test_pictures_keep_their_content_and_change_size() -> None:
    encoder = JpegEncoder(FrameSize.parse("64"), 95)
    for index, size in ((0, (96, 64)), (3, (96, 64)), (5, (64, 96)), (1, (96, 64))):
        jpeg = encoder.encode(picture(index, *size))
        assert jpeg.startswith(b"\xff\xd8")
        assert jpeg.endswith(b"\xff\xd9")
        shown = decode(jpeg)
        assert max(shown.width, shown.height) == 64
        # From video range (16 to 235) to the full range of a JPEG.
        expected = (brightness(index) - 16) * 255 / 219
        assert abs(bytes(shown.planes[0])[10] - expected) <= 3


def test_quality_costs_bytes() -> None:
    noise = VideoFrame(96, 64, "yuv420p")
    for number, plane in enumerate(noise.planes):
        plane.update(bytes((i * 7919 + number * 31) % 251 for i in range(plane.buffer_size)))
    small, large = (
        len(JpegEncoder(FrameSize.parse("96x64"), quality).encode(noise)) for quality in (20, 100)
    )
    assert small < large / 2
