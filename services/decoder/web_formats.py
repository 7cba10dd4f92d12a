"""Web formats: what an HTTP server's answer is, by its type and its first bytes. Pure."""

from __future__ import annotations

import re
from enum import Enum, auto

from hermes.v1.camera_pb2 import SOURCE_ERROR_REFUSED
from services.common.url_hints import STREAM_OF_PAGE, USE_HLS
from services.decoder.faults import SourceFault
from services.decoder.still import StillKind

FIRST_BYTES = 16
"""Enough to tell pictures and text from video."""

PART_BYTES = 200
"""Enough to see what a part says of itself."""

TEXT_BYTES = 1024
"""Enough to tell one kind of text from another."""

PLAYLIST = b"#EXTM3U"
MARK = b"\xef\xbb\xbf"
"""Some editors begin a text with it."""

_TEXT = re.compile(rb"(?:\xef\xbb\xbf)?\s*[<{\[#A-Za-z-]")
_PLAYLIST_TYPES = frozenset(
    {"application/vnd.apple.mpegurl", "application/x-mpegurl", "audio/mpegurl", "audio/x-mpegurl"}
)
_PLAYLIST_NAME = re.compile(r"(?i)\.(?:m3u8?|hls)$")
_STILL_PART = re.compile(rb"(?i)\s*--[^\r\n]+\r?\n(?:[^\r\n]+\r?\n)*?Content-Type:\s*image/")

_REFUSED: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"(?i)<MPD\b"), f"it is MPEG-DASH, which is not read here: {USE_HLS}"),
    (
        re.compile(rb"(?i)<SmoothStreamingMedia\b"),
        f"it is Smooth Streaming, which is not read here: {USE_HLS}",
    ),
    (
        re.compile(rb"(?i)ns\.adobe\.com/f4m"),
        f"it is Adobe HDS, which is not read here: {USE_HLS}",
    ),
    (
        re.compile(rb"(?i)\A\W*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.S),
        f"it is a page for a browser, not video: {STREAM_OF_PAGE}",
    ),
    (
        re.compile(rb"\A\s*v=0\r?\n"),
        "it is an SDP description of a stream that is sent elsewhere, which is not read here:"
        " give the camera's rtsp:// address",
    ),
    (
        re.compile(rb"(?i)\A\s*(?:\[playlist\]|<asx\b|<\?xml[^>]*>\s*<playlist\b)"),
        "it is a list of addresses: add the address that it lists",
    ),
    (
        re.compile(rb"(?i)\A\W*<(?:\?xml|\w+)\b"),
        "it is an XML document, not video: give the address of the stream itself",
    ),
    (
        re.compile(rb'\A\s*[{\[]\s*["{\[}\]]'),
        "it is a JSON document, not video: give the address of the stream itself",
    ),
)


class WebFormat(Enum):
    """How an answer is read."""

    PLAYLIST = auto()
    STILL = auto()
    """One picture, which is fetched again and again."""
    PARTS = auto()
    """MJPEG: pictures one after the other, divided by boundaries."""
    OTHER = auto()
    """What FFmpeg is to find out."""

    @classmethod
    def of(cls, kind: str, first: bytes, names: tuple[str, ...]) -> WebFormat:
        """`kind`: the content type. `first`: the first bytes, up to `TEXT_BYTES` of a text.

        `names`: the paths of its URLs. Raises `SourceFault` for a format that is refused by name.
        """
        kind = kind.lower()
        if kind.startswith("multipart/") or _STILL_PART.match(first):
            return cls.PARTS
        still = StillKind.of(first.lstrip(b"\r\n"))
        if still is not None:
            # JPEGs one after the other without boundaries: video/x-motion-jpeg and the like.
            return cls.PARTS if kind.startswith("video/") else cls.STILL
        if first.removeprefix(MARK).startswith(PLAYLIST):
            named = kind in _PLAYLIST_TYPES or any(map(_PLAYLIST_NAME.search, names))
            if named or b"#EXT-X-" in first:
                return cls.PLAYLIST
            raise SourceFault(
                SOURCE_ERROR_REFUSED, "it is a list of addresses: add the address that it lists"
            )
        if is_text(first):
            for pattern, words in _REFUSED:
                if pattern.search(first):
                    raise SourceFault(SOURCE_ERROR_REFUSED, words)
        if kind.startswith("image/"):
            return cls.STILL  # a damaged one, perhaps
        return cls.OTHER


def is_text(first: bytes) -> bool:
    """Whether the first bytes may be those of a text."""
    return b"\0" not in first and _TEXT.match(first) is not None
