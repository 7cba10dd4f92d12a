"""The turn that makes a picture upright, as its display matrix says it."""

from __future__ import annotations

import struct
from enum import Enum
from typing import cast

from av.sidedata.sidedata import SideDataContainer, Type
from av.video.frame import VideoFrame

from hermes.errors import Unsupported
from services.decoder.filter_chain import FilterChain

_EXIF = 31
_MATRIX = struct.Struct("=9i")
_LEANING = 0.02  # of the larger number: about one degree


class Turn(Enum):
    """One of the eight ways to lay a rectangle on itself. The value: filters with their options."""

    NONE = None  # an empty tuple is replaced by another object in Python 3.11.0 to 3.11.3
    RIGHT = (("transpose", "dir=clock"),)
    HALF = (("hflip", ""), ("vflip", ""))
    LEFT = (("transpose", "dir=cclock"),)
    MIRRORED = (("hflip", ""),)
    UPSIDE_DOWN_MIRRORED = (("vflip", ""),)
    RIGHT_MIRRORED = (("transpose", "dir=clock_flip"),)
    LEFT_MIRRORED = (("transpose", "dir=cclock_flip"),)

    @property
    def filters(self) -> tuple[tuple[str, str], ...]:
        """The filters that make it, with their options."""
        return self.value or ()

    @property
    def swaps_sides(self) -> bool:
        """Whether width becomes height."""
        return self in (Turn.RIGHT, Turn.LEFT, Turn.RIGHT_MIRRORED, Turn.LEFT_MIRRORED)

    @property
    def mirrored(self) -> Turn:
        """The same, and then left to right."""
        return _MIRRORED[self]

    @classmethod
    def of(cls, frame: VideoFrame) -> Turn:
        """What a frame's display matrix asks for. Raises `Unsupported` for a slanted one."""
        try:
            side_data = cast(SideDataContainer, frame.side_data)
        except ValueError:  # PyAV has no name for EXIF data, of which the matrix was made
            frame = FilterChain(frame, [("sidedata", f"mode=delete:type={_EXIF}")]).apply(frame)
            side_data = cast(SideDataContainer, frame.side_data)
        found = side_data.get(Type.DISPLAYMATRIX)
        if found is None or found.buffer_size < _MATRIX.size:
            return cls.NONE
        return cls.from_matrix(_MATRIX.unpack_from(bytes(found)))

    @classmethod
    def from_matrix(cls, matrix: tuple[int, ...]) -> Turn:
        """`matrix`: nine numbers in rows; a point (x, y) goes to (ax + cy, bx + dy)."""
        a, b, _, c, d = matrix[:5]
        if a * d == b * c:  # it would show nothing: a matrix that was never written
            return cls.NONE
        if max(abs(b), abs(c)) <= _LEANING * min(abs(a), abs(d)):
            return _STRAIGHT[a > 0, d > 0]
        if max(abs(a), abs(d)) <= _LEANING * min(abs(b), abs(c)):
            return _ACROSS[b > 0, c > 0]
        raise Unsupported("its display matrix slants the picture; only quarter turns are supported")


_PAIRS = (
    (Turn.NONE, Turn.MIRRORED),
    (Turn.HALF, Turn.UPSIDE_DOWN_MIRRORED),
    (Turn.RIGHT, Turn.LEFT_MIRRORED),  # named by the turn that comes after the mirror
    (Turn.LEFT, Turn.RIGHT_MIRRORED),
)
_MIRRORED = {**dict(_PAIRS), **{after: before for before, after in _PAIRS}}

_STRAIGHT = {
    (True, True): Turn.NONE,
    (False, True): Turn.MIRRORED,
    (True, False): Turn.UPSIDE_DOWN_MIRRORED,
    (False, False): Turn.HALF,
}
_ACROSS = {
    (True, False): Turn.RIGHT,
    (False, True): Turn.LEFT,
    (True, True): Turn.LEFT_MIRRORED,
    (False, False): Turn.RIGHT_MIRRORED,
}
