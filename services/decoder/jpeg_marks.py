"""The markers of a JPEG: where it ends, and how large its picture is. Pure."""

from __future__ import annotations

BEGIN = b"\xff\xd8"
END = b"\xff\xd9"

_SCAN = 0xDA
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def jpeg_end(data: bytes | bytearray) -> int | None:
    """How many bytes belong to the JPEG that `data` begins with; None while its end is missing.

    A picture within it (a thumbnail) does not count: only what follows the first scan does.
    """
    _, scan = _header(data)
    if scan is None:
        return None
    end = data.find(END, scan)  # in a scan FF is followed by 00 or by a restart marker
    return None if end < 0 else end + len(END)


def jpeg_size(data: bytes | bytearray) -> tuple[int, int] | None:
    """Width and height of the picture; None if they are not there."""
    return _header(data)[0]


def _header(data: bytes | bytearray) -> tuple[tuple[int, int] | None, int | None]:
    """The size, and where the first scan begins; None for what is not there."""
    size: tuple[int, int] | None = None
    at = len(BEGIN)
    if not data.startswith(BEGIN):
        return None, None
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            return size, None
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
        elif marker in _STANDALONE:
            at += 2
        elif marker == _SCAN:
            return size, at
        else:
            if marker in _SIZES and at + 9 <= len(data):
                height, width = data[at + 5 : at + 7], data[at + 7 : at + 9]
                size = int.from_bytes(width, "big"), int.from_bytes(height, "big")
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return size, None
