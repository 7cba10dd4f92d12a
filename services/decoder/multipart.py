"""Multipart streams: the parts of an MJPEG camera's answer, however it marks them. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hermes.errors import Unsupported
from services.decoder.jpeg_marks import BEGIN, jpeg_end

MAX_PART_BYTES = 32 << 20
MAX_HEADER_BYTES = 16 << 10
MAX_FOREIGN_BYTES = 1 << 20
"""Bytes before the first boundary: more is no multipart stream."""

MAX_MARK_BYTES = 256
MAX_DASHES = 80
MAX_BLANK_BYTES = 16
TELLING_BYTES = 5
"""A boundary of so many bytes is none that a picture holds by chance; a shorter one is a boundary
only where headers follow."""

_AFTER_NAME = re.compile(rb"-{0,2}[ \t]*[\r\n]")
_HEADER = re.compile(rb"(?im)^([\w-]+)[ \t]*:[ \t]*(.*?)[ \t]*\r?$")
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_PART_FOLLOWS = re.compile(rb"[ \t]*\r?\n(?:\r?\n|[\w-]+[ \t]*:)|--[ \t]*[\r\n]")
_FIRST_LINE = re.compile(rb"\s*(--[^\r\n]{1,100}?)[ \t]*\r?\n")


@dataclass(frozen=True, slots=True)
class Part:
    """One part: what it says of itself, and its bytes."""

    kind: str
    """The content type in lower case, "" without one."""
    body: bytes


class Multipart:
    """Splits what is fed to it into parts.

    Cameras write boundaries with and without the two dashes, with and without a line end before
    them, other ones than they say or none, and leave out or miscount lengths. So a boundary is
    looked for by its name alone, and a length counts only where the boundary follows.
    """

    def __init__(self, boundary: str = "") -> None:
        """`boundary`: as the header names it; "" takes the first line of the stream."""
        self._data = bytearray()
        self._name = boundary.strip().strip('"').lstrip("-").encode("latin-1", "replace")
        self._searched = 0
        self._begun = False
        self._bare = False
        """Whether JPEGs follow one another without anything in between."""
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
        if self._bare or (not self._begun and _starts_with_jpeg(self._data)):
            self._bare = True
            return self._begin_bare()
        if not self._name:
            first = _FIRST_LINE.match(self._data)
            if first is None:
                if len(self._data) > MAX_HEADER_BYTES:
                    raise Unsupported("its parts are not divided by a boundary")
                return False
            self._name = first[1].lstrip(b"-")
        found = self._mark(0)
        if found is None and not self._begun:
            found = self._another_mark()
        if found is None:
            limit = MAX_PART_BYTES if self._begun else MAX_FOREIGN_BYTES
            if len(self._data) > limit:
                raise Unsupported("its boundary does not come")
            return False
        self._begun = True
        start, end = found
        del self._data[:start]
        line_end = self._data.find(b"\n", end - start)
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

    def _begin_bare(self) -> bool:
        at = self._data.find(BEGIN)
        if at < 0:
            del self._data[:-1]  # it may be the first half of a mark
            return False
        del self._data[:at]
        self._kind, self._searched = "image/jpeg", 0
        return True

    def _another_mark(self) -> tuple[int, int] | None:
        """The stream's first line, if it is a boundary other than the one that was named."""
        first = _FIRST_LINE.match(self._data)
        if first is None or not _PART_FOLLOWS.match(self._data, first.end(1)):
            return None
        self._name = first[1].lstrip(b"-")
        return self._mark(0) if self._name else None

    def _bounded_headers(self) -> bool:
        if len(self._data) > MAX_HEADER_BYTES:
            raise Unsupported("the headers of its parts do not end")
        return False

    def _end(self) -> Part | None:
        """The part that has begun, if all of it is there."""
        if blank := _blank_before_jpeg(self._data):
            del self._data[:blank]
        size = jpeg_end(self._data) if self._bare else self._size()
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
        found = self._mark(self._searched)
        self._searched = max(0, len(self._data) - MAX_MARK_BYTES)
        # A JPEG says itself where it ends, before the next boundary comes.
        end = jpeg_end(self._data)
        if end is not None and (found is None or end <= found[0]):
            return end
        if found is not None:
            size = found[0]
            if self._length is not None and size >= self._length >= size - 4:
                return self._length
            for line_end in (b"\r\n", b"\n"):
                if self._data[:size].endswith(line_end):
                    return size - len(line_end)
            return size
        return None

    def _mark(self, start: int) -> tuple[int, int] | None:
        """Where the next boundary begins, and where its name ends."""
        data, name = self._data, self._name
        while (at := data.find(name, start)) >= 0:
            end = at + len(name)
            before = bytes(data[max(0, at - MAX_DASHES) : at])
            dashes = len(before) - len(before.rstrip(b"-"))
            at_line_start = at == 0 or before.endswith(b"\n")
            after = _AFTER_NAME if dashes + len(name) >= TELLING_BYTES else _PART_FOLLOWS
            if (dashes >= 2 or at_line_start) and after.match(data, end):
                return at - dashes, end
            start = at + 1
        return None


def _blank_before_jpeg(data: bytearray) -> int:
    """How many line ends a JPEG has before it."""
    start = data[:MAX_BLANK_BYTES]
    blank = len(start) - len(start.lstrip(b"\r\n"))
    return blank if data.startswith(BEGIN, blank) else 0


def _starts_with_jpeg(data: bytearray) -> bool:
    return data.startswith(BEGIN, _blank_before_jpeg(data))
