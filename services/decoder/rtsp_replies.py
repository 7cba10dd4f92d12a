"""RTSP replies: what a server may say to FFmpeg, and what it says instead of the rest. Pure.

FFmpeg follows a redirect, and sends datagrams to the address that a server names, without
asking. So each reply is read here first, and written anew, so that FFmpeg reads the same in it.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from hermes.v1.camera_pb2 import SOURCE_ERROR_REFUSED
from services.decoder.faults import SourceFault

MAX_HEAD_BYTES = 64 << 10
MAX_BODY_BYTES = 1 << 20
MAX_LINE_BYTES = 4000

REDIRECTED = SourceFault(
    SOURCE_ERROR_REFUSED,
    "the server redirects to another address: add that address as the camera's",
)

_STATUS = re.compile(rb"RTSP/\d\.\d +(\d{3})\b *([ -~]*)")
_REQUEST = re.compile(rb"[A-Z_]{3,20} +\S+ +RTSP/\d\.\d")


class NotRtsp(Exception):
    """What came is no RTSP."""


class RtspReplies:
    """Filters what a server sends on one connection.

    `url`: what is played, as FFmpeg knows it (`near`) and as the server does (`far`).
    `address`: of the server.
    """

    def __init__(self, near: str, far: str, address: str) -> None:
        self._near = near
        self._far = urlsplit(far)
        self._address = address
        self._pending = b""
        self._passing = 0
        self.streaming = False
        """Whether media comes on this connection."""

    def feed(self, data: bytes) -> bytes:
        """What FFmpeg may read of it. Raises `NotRtsp` and `SourceFault`."""
        data = self._pending + data
        out: list[bytes] = []
        at, size = 0, len(data)
        while at < size:
            if self._passing:
                end = min(size, at + self._passing)
                out.append(data[at:end])
                self._passing -= end - at
                at = end
            elif data[at] == 0x24:  # $: media
                if size - at < 4:
                    break
                self.streaming = True
                self._passing = 4 + (data[at + 2] << 8 | data[at + 3])
            else:
                head_end = _end_of_head(data, at)
                if head_end is None:
                    without_line = size - at > MAX_LINE_BYTES and b"\n" not in data[at:]
                    if without_line or size - at > MAX_HEAD_BYTES:
                        raise NotRtsp
                    break
                head, self._passing = self._checked(data[at:head_end])
                out.append(head)
                at = head_end
        self._pending = data[at:]
        return b"".join(out)

    def _checked(self, head: bytes) -> tuple[bytes, int]:
        """The head of a reply as it may be read, and the length of its body."""
        lines = [line for line in head.replace(b"\r", b"").split(b"\n") if line]
        if not lines:
            return b"", 0
        status = _STATUS.match(lines[0])
        if status is None and not _REQUEST.match(lines[0]):
            raise NotRtsp
        redirects = status is not None and status[1].startswith(b"3")
        kept, length = [lines[0] if status is None else status[0]], 0
        moved = False
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            name = name.strip().lower()
            if name == b"content-length":
                digits = value.strip()
                length = int(digits) if digits.isdigit() else 0
            elif name == b"transport":
                kept.append(b"Transport: " + self._transport(value))
            elif name == b"location":
                if redirects:
                    kept.append(b"Location: " + self._location(value))
                    moved = True
            elif not line.startswith(b"$") and len(line) <= MAX_LINE_BYTES:
                kept.append(line)
        if redirects and not moved:
            raise REDIRECTED
        if length > MAX_BODY_BYTES:
            raise NotRtsp
        if length:
            kept.append(b"Content-Length: %d" % length)
        return b"\r\n".join(kept) + b"\r\n\r\n", length

    def _transport(self, value: bytes) -> bytes:
        """Datagrams go to the server itself, whatever it says."""
        offers = []
        for offer in value.split(b","):
            parts = [
                part.strip()
                for part in offer.split(b";")
                if not part.strip().lower().startswith((b"source", b"destination"))
            ]
            if not any(part.lower().startswith(b"interleaved") for part in parts):
                parts.append(b"source=" + self._address.encode())
            offers.append(b";".join(parts))
        return b",".join(offers)

    def _location(self, value: bytes) -> bytes:
        """Another path of the same server, as FFmpeg knows it. Raises `SourceFault`."""
        try:
            to = urlsplit(value.strip().decode("ascii"))
            same = (to.scheme.lower(), to.hostname, to.port) == (
                self._far.scheme.lower(),
                self._far.hostname,
                self._far.port,
            )
        except ValueError:
            same = False
        if not same:
            raise REDIRECTED
        query = f"?{to.query}" if to.query else ""
        return f"{self._near}{to.path}{query}".encode()


def _end_of_head(data: bytes, at: int) -> int | None:
    """Where the empty line ends, as FFmpeg sees it: it takes no note of carriage returns."""
    while True:
        line_end = data.find(b"\n", at)
        if line_end < 0:
            return None
        if not data[at:line_end].strip(b"\r"):
            return line_end + 1
        at = line_end + 1
