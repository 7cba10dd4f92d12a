"""What a frame's tags say of its colours, and what is assumed where they say nothing."""

from __future__ import annotations

import pytest
from av.video.frame import VideoFrame

from hermes.errors import Unsupported
from services.decoder.colour import Colour, Matrix, Transfer


def tagged(
    matrix: int, *, range_: int = 1, transfer: int = 2, height: int = 48, kind: str = "yuv420p"
) -> VideoFrame:
    frame = VideoFrame(64, height, kind)
    frame.colorspace, frame.color_range, frame.color_trc = matrix, range_, transfer
    return frame


@pytest.mark.parametrize("matrix", list(Matrix)[1:])
def test_a_known_matrix_is_believed(matrix: Matrix) -> None:
    assert Colour.of(tagged(matrix, height=1080)) == Colour(matrix, full_range=False)
    assert Colour.of(tagged(matrix, range_=2)) == Colour(matrix, full_range=True)


@pytest.mark.parametrize("meaningless", [0, 2, 3, 200])
def test_without_a_meaningful_tag_lines_decide(meaningless: int) -> None:
    assert Colour.of(tagged(meaningless, height=719)).matrix == Matrix.SMPTE170M
    assert Colour.of(tagged(meaningless, height=720)).matrix == Matrix.BT709


def test_the_range_that_a_format_implies() -> None:
    assert Colour.of(tagged(6, range_=0, kind="yuvj422p")).full_range
    assert not Colour.of(tagged(6, range_=0)).full_range


@pytest.mark.parametrize("kind", ["rgb24", "gbrp", "gbrp10le", "pal8", "bgr0"])
def test_rgb_has_no_matrix(kind: str) -> None:
    assert Colour.of(tagged(1, kind=kind)).matrix == Matrix.RGB


@pytest.mark.parametrize(("tag", "transfer"), [(16, Transfer.PQ), (18, Transfer.HLG)])
def test_high_dynamic_range(tag: int, transfer: Transfer) -> None:
    assert Colour.of(tagged(9, transfer=tag)).transfer == transfer
    assert Colour.of(tagged(9, transfer=14)).transfer == Transfer.SDR


@pytest.mark.parametrize(
    ("tag", "name"), [(10, "constant luminance"), (14, "ICtCp"), (15, "IPT"), (16, "YCgCo-Re")]
)
def test_what_cannot_be_converted_is_named(tag: int, name: str) -> None:
    with pytest.raises(Unsupported, match=name):
        Colour.of(tagged(tag))
