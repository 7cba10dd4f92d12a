"""What comes from outside is checked before it is decoded."""

from __future__ import annotations

import contextlib
from io import BytesIO

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from services.hermes_worker.pictures import MAX_JPEG_BYTES, BadPicture, decode_jpeg
from tests.support.chunks import jpeg


def test_a_jpeg_becomes_rgb() -> None:
    picture = decode_jpeg(jpeg(200, side=20))
    assert picture.shape == (3, 20, 20)
    assert picture.dtype == torch.uint8
    assert abs(int(picture[0, 10, 10]) - 200) < 6
    assert abs(int(picture[2, 10, 10]) - 90) < 6


def encoded(kind: str, size: tuple[int, int]) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", size).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a picture",
        encoded("PNG", (8, 8)),
        jpeg()[:200],
        encoded("JPEG", (4097, 8)),
        b"\xff" * (MAX_JPEG_BYTES + 1),
    ],
    ids=["empty", "text", "png", "cut", "too wide", "too long"],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(BadPicture):
        decode_jpeg(data)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_picture_with_many_scans_is_refused(progressive: bool) -> None:
    """Ten bytes cost a pass over all pixels: a small file could keep a decoder busy for hours."""
    buffer = BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, "JPEG", progressive=progressive)
    data = buffer.getvalue()
    scan = b"\xff\xda\0\x08\x01\x01\0\0\x3f\0"
    with pytest.raises(BadPicture, match="scans; at most 4"):
        decode_jpeg(data[:-2] + 5 * scan + data[-2:])


@given(cut=st.integers(0, 600), flip=st.integers(0, 600), value=st.integers(0, 255))
def test_damage_is_refused_or_decoded_but_never_crashes(cut: int, flip: int, value: int) -> None:
    data = bytearray(jpeg())
    data[flip % len(data)] = value
    del data[len(data) - cut % len(data) :]
    with contextlib.suppress(BadPicture):
        assert decode_jpeg(bytes(data)).dtype == torch.uint8
