"""MJPEG streams are taken apart, however a camera marks the parts."""

from __future__ import annotations

from itertools import product

import pytest

from hermes.errors import Unsupported
from services.decoder.multipart import MAX_FOREIGN_BYTES, MAX_HEADER_BYTES, Multipart
from tests.support.stills import BLUE, GREEN, parts, still

PICTURES = [still(GREEN), still(BLUE), still(GREEN, noise=True), still(BLUE)]
END = b"--frame--\r\n"


def split(boundary: str, data: bytes, step: int = 1000) -> list[bytes]:
    stream = Multipart(boundary)
    found = []
    for at in range(0, len(data), step):
        found += [part.body for part in stream.feed(data[at : at + step])]
    return found


MARKS = [
    *product(["frame", "--frame", '"frame"', "----frame"], ["--frame", "----frame", "frame"]),
    ("", "--frame"),
    ("", "----frame"),
]


@pytest.mark.parametrize(("named", "written"), MARKS)
@pytest.mark.parametrize("length", [True, False])
def test_boundaries_with_and_without_dashes(named: str, written: str, length: bool) -> None:
    for line_end, gap in product(("\r\n", "\n"), ("\r\n", "\n")):
        data = parts(PICTURES, written, length=length, line_end=line_end, gap=gap)
        assert split(named, data + END) == PICTURES


@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_pieces_of_any_size(step: int) -> None:
    data = parts(PICTURES[:2], length=False, gap="") + END
    assert split("frame", data, step) == PICTURES[:2]


def test_a_picture_is_there_before_the_next_boundary_comes() -> None:
    stream = Multipart("frame")
    assert [part.body for part in stream.feed(parts(PICTURES[:1], length=False))] == PICTURES[:1]


def test_pictures_of_other_kinds_end_where_their_length_or_the_boundary_says() -> None:
    png, webp = still(kind="PNG"), still(kind="WEBP")
    for length in (True, False):
        data = parts([png, webp, png], kind="image/png", length=length)
        assert split("frame", data + END) == [png, webp, png]


@pytest.mark.parametrize("wrong", [1, 50, 10**6, 10**12])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_wrong_length_does_not_count(wrong: int, kind: str) -> None:
    picture = still(kind=kind)
    one = parts([picture], length=False).replace(
        b"\r\n\r\n", f"\r\nContent-Length: {wrong}\r\n\r\n".encode(), 1
    )
    assert split("frame", one * 3 + END) == [picture] * 3


def test_a_cut_picture_costs_itself_alone() -> None:
    cut = PICTURES[2][:3000]
    for length in (True, False):
        data = parts([PICTURES[0], cut, PICTURES[1]], length=length) + END
        assert split("frame", data) == [PICTURES[0], cut, PICTURES[1]]


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("written", ["--a", "a", "--ab"])
def test_a_short_boundary_is_none_within_a_picture(written: str, kind: str) -> None:
    """What a boundary looks like comes by chance in a noisy picture of some size."""
    name = written.lstrip("-").encode()
    picture = still(GREEN, kind=kind)
    middle = len(picture) // 2
    by_chance = b"\n" + name + b"\r" + name + b"\n--" + name + b"\r\n\xfe"
    picture = picture[:middle] + by_chance + picture[middle:]
    for length in (True, False):
        data = parts([picture] * 3, written, kind=f"image/{kind.lower()}", length=length)
        assert split(name.decode(), data + f"{written}--\r\n".encode()) == [picture] * 3


@pytest.mark.parametrize("written", ["--other", "--o", "----other"])
def test_another_boundary_than_the_one_that_was_named(written: str) -> None:
    for length in (True, False):
        data = parts(PICTURES, written, length=length)
        assert split("frame", data + END) == PICTURES


@pytest.mark.parametrize("gap", [b"", b"\r\n", b"\0\0\0"])
@pytest.mark.parametrize("step", [1, 1000])
def test_pictures_without_any_boundary(gap: bytes, step: int) -> None:
    data = gap.join(PICTURES[:2])
    for boundary in ("", "frame"):
        assert split(boundary, data, step) == PICTURES[:2]


def test_line_ends_before_a_picture_are_left_out() -> None:
    data = parts([b"\r\n" + picture for picture in PICTURES]) + END
    assert split("frame", data) == PICTURES


def test_other_parts_say_their_kind() -> None:
    stream = Multipart("frame")
    found = stream.feed(
        parts([b"hello"], kind="text/plain") + parts(PICTURES[:1]) + parts([b""], kind="") + END
    )
    assert [(part.kind, len(part.body)) for part in found] == [
        ("text/plain", 5),
        ("image/jpeg", len(PICTURES[0])),
        ("", 0),
    ]


def test_what_comes_before_the_first_boundary_and_between_parts_is_left_out() -> None:
    data = b"a preamble\r\n" + parts(PICTURES[:1], gap="\r\nnoise\r\n") + parts(PICTURES[1:2])
    assert split("frame", data + END) == PICTURES[:2]


@pytest.mark.parametrize(
    ("boundary", "data"),
    [
        ("", b"x" * (MAX_HEADER_BYTES + 1)),
        ("frame", b"x" * (MAX_FOREIGN_BYTES + 1)),
        ("frame", b"--frame\r\nX: " + b"x" * MAX_HEADER_BYTES),
    ],
)
def test_what_is_no_such_stream_is_refused(boundary: str, data: bytes) -> None:
    with pytest.raises(Unsupported):
        Multipart(boundary).feed(data)
