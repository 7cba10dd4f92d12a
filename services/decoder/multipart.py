"""Multipart streams: the parts of an MJPEG camera's answer, however it marks them. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hermes.errors import Unsupported
from services.decoder.jpeg_marks import jpeg_end

MAX_PART_BYTES = 32 << 20
MAX_HEADER_BYTES = 16 << 10
MAX_FOREIGN_BYTES = 1 << 20
"""Bytes before the first boundary: more is no multipart stream."""

_HEADER = re.compile(rb"(?im)^([\w-]+)[ \t]*:[ \t]*(.*?)[ \t]*\r?$")
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_FIRST_LINE = re.compile(rb"\s*(--[^\r\n]{1,200}?)[ \t]*\r?\n")


@dataclass(frozen=True, slots=True)
class Part:
    """One part: what it says of itself, and its bytes."""

    kind: str
    """The content type in lower case, "" without one."""
    body: bytes


class Multipart:
    """Splits what is fed to it into parts.

    Cameras write boundaries with and without the two dashes, with and without a line end before
    them, and leave out or miscount lengths. So a boundary is looked for by its name alone, and a
    length counts only where it agrees with what is there.
    """

    def __init__(self, boundary: str = "") -> None:
        """`boundary`: as the header names it; "" takes the first line of the stream."""
        self._data = bytearray()
        self._mark: re.Pattern[bytes] | None = None
        self._searched = 0
        self._begun = False
        if name := boundary.strip().strip('"').lstrip("-"):
            self._mark = _mark_of(name.encode("latin-1", "replace"))
        # Of the part that has begun: None between parts.
        self._kind: str | None = None
        self._length: int | None = None

    def feed(self, data: bytes) -> list[Part]:
        """The parts that are complete now. Raises `Unsupported` for what is no such stream."""
        self._data += data
        parts: list[Part] = []
        while True:
            if self._kind is None and not self._begin():
                return parts
            if (part := self._end()) is None:
                return parts
            parts.append(part)

    def _begin(self) -> bool:
        """Whether a part has begun: its boundary and its headers are there."""
        if self._mark is None:
            first = _FIRST_LINE.match(self._data)
            if first is None:
                if len(self._data) > MAX_HEADER_BYTES:
                    raise Unsupported("its parts are not divided by a boundary")
                return False
            self._mark = _mark_of(first[1].lstrip(b"-"))
        found = self._mark.search(self._data)
        if found is None:
            limit = MAX_PART_BYTES if self._begun else MAX_FOREIGN_BYTES
            if len(self._data) > limit:
                raise Unsupported("its boundary does not come")
            return False
        self._begun = True
        del self._data[: found.start()]
        line_end = self._data.find(b"\n", found.end() - found.start() - 1)
        if line_end < 0:
            return self._bounded_headers()
        blank = _BLANK_LINE.search(self._data, max(0, line_end - 1))
        if blank is None:
            return self._bounded_headers()
        headers = {
            name.lower(): value
            for name, value in _HEADER.findall(bytes(self._data[line_end + 1 : blank.start()]))
        }
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        length = headers.get(b"content-length", b"")
        self._kind = kind.decode("latin-1")
        self._length = int(length) if length.isdigit() and len(length) < 10 else None
        del self._data[: blank.end()]
        self._searched = 0
        return True

    def _bounded_headers(self) -> bool:
        if len(self._data) > MAX_HEADER_BYTES:
            raise Unsupported("the headers of its parts do not end")
        return False

    def _end(self) -> Part | None:
        """The part that has begun, if all of it is there."""
        size = self._size()
        if size is None:
            if len(self._data) > MAX_PART_BYTES:
                raise Unsupported(f"a part of it is longer than {MAX_PART_BYTES} bytes")
            return None
        part = Part(self._kind or "", bytes(self._data[:size]))
        del self._data[:size]
        self._kind = self._length = None
        self._searched = 0
        return part

    def _size(self) -> int | None:
        """How long the body is; None if that cannot be known yet."""
        assert self._mark is not None
        if (end := jpeg_end(self._data)) is not None:
            return end  # a JPEG says itself where it ends, before the next boundary comes
        found = self._mark.search(self._data, self._searched)
        self._searched = max(0, len(self._data) - 256)
        if found is not None:
            size = found.start()
            if self._length is not None and size >= self._length >= size - 4:
                return self._length
            for line_end in (b"\r\n", b"\n"):
                if self._data[:size].endswith(line_end):
                    return size - len(line_end)
            return size
        is_jpeg = self._data.startswith(b"\xff\xd8")
        if self._length is not None and len(self._data) >= self._length and not is_jpeg:
            return self._length
        return None


def _mark_of(name: bytes) -> re.Pattern[bytes]:
    """A boundary: after dashes, or at the beginning of a line."""
    return re.compile(rb"(?:-{2,}|(?:\A|(?<=\n)))" + re.escape(name) + rb"(?=-{0,2}[ \t]*[\r\n])")
