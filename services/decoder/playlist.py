"""HLS playlists: what they list, within bounds. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urljoin

from hermes.v1.camera_pb2 import SOURCE_ERROR_REFUSED
from services.decoder.faults import SourceFault

MAX_PLAYLIST_BYTES = 8 << 20
MAX_ENTRIES = 100_000
"""A recording of two days, in segments of two seconds, has 86,400."""

MAX_URL_CHARS = 4096
"""FFmpeg reads no longer line, and takes the rest of one for another."""

_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^,]*)')
_PLAIN_NAME = re.compile(r"[\w-]+(?:\.[\w-]+)*")
_SOUND = re.compile(r"(?i)(?:mp4a|ac-3|ec-3|opus|mp3|flac|vorbis|alac)\b")


@dataclass(frozen=True, slots=True)
class Segment:
    """One entry. `number`: the same in each version of the playlist."""

    number: int
    url: str
    offset: int
    """Where it begins in its file."""
    duration_s: float
    begins_anew: bool
    """Whether timestamps or coding may be others than before."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One of several codings of the same stream. Without a size, `pixels` is 0."""

    url: str
    pixels: int
    bits_per_s: int


@dataclass(frozen=True, slots=True)
class Playlist:
    """A parsed playlist: of segments, or of variants."""

    segments: list[Segment] = field(default_factory=list)
    variants: list[Variant] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    """URLs of keys."""

    @classmethod
    def parse(cls, data: bytes, base: str) -> Playlist:
        """`base`: the URL of the playlist. Raises `SourceFault` for one that is too large."""
        if len(data) > MAX_PLAYLIST_BYTES:
            raise too_long()
        lines = data.decode("utf-8", "replace").splitlines()
        return _Lines(base).read(lines)

    def best_first(self, pixels: int) -> list[Variant]:
        """The variants, the best for pictures of so many pixels first.

        That is the smallest one that is large enough: a larger one would be made smaller anyway.
        If none is, the largest. Of equal sizes, the one with more bits.
        """
        enough = [one for one in self.variants if one.pixels >= pixels]
        less = [one for one in self.variants if one.pixels < pixels]
        enough.sort(key=lambda one: (one.pixels, -one.bits_per_s))
        less.sort(key=lambda one: (-one.pixels, -one.bits_per_s))
        return [*enough, *less]


def too_long() -> SourceFault:
    """The fault of a playlist of too many bytes."""
    return SourceFault(
        SOURCE_ERROR_REFUSED, f"its playlist is longer than {MAX_PLAYLIST_BYTES >> 20} MiB"
    )


class _Lines:
    """Reads a playlist line by line."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._folder = re.split(r"[?#]", base, maxsplit=1)[0].rpartition("/")[0] + "/"
        self._found = Playlist()
        self._number = 0
        self._duration_s = 0.0
        self._begins_anew = False
        self._range: tuple[int, int] | None = None
        self._ends: dict[str, int] = {}  # of the byte ranges so far, by file
        self._variant: dict[str, str] | None = None

    def read(self, lines: list[str]) -> Playlist:
        for line in map(str.strip, lines):
            if line.startswith("#EXT"):
                self._tag(*line.partition(":")[::2])
            elif line and not line.startswith("#"):
                self._entry(line)
        return self._found

    def _tag(self, name: str, value: str) -> None:
        if name == "#EXTINF":
            self._duration_s = _number(value.partition(",")[0])
        elif name == "#EXT-X-MEDIA-SEQUENCE":
            self._number = int(_number(value))
        elif name == "#EXT-X-DISCONTINUITY":
            self._begins_anew = True
        elif name == "#EXT-X-BYTERANGE":
            length, _, offset = value.partition("@")
            self._range = int(_number(length)), int(_number(offset)) if offset else -1
        elif name == "#EXT-X-STREAM-INF":
            self._variant = _attributes(value)
        elif name == "#EXT-X-KEY" and len(self._found.keys) < MAX_ENTRIES:
            self._found.keys.add(self._absolute(_attributes(value).get("URI", "")))

    def _absolute(self, url: str) -> str:
        if _PLAIN_NAME.fullmatch(url):
            return self._folder + url  # as below, but fast: there may be many
        try:
            return urljoin(self._base, url)
        except ValueError:
            return url

    def _entry(self, line: str) -> None:
        if len(line) > MAX_URL_CHARS:
            raise SourceFault(
                SOURCE_ERROR_REFUSED,
                f"its playlist has an address of more than {MAX_URL_CHARS} characters",
            )
        if len(self._found.segments) + len(self._found.variants) >= MAX_ENTRIES:
            raise SourceFault(
                SOURCE_ERROR_REFUSED, f"its playlist has more than {MAX_ENTRIES} entries"
            )
        url = self._absolute(line)
        if self._variant is not None:
            self._add_variant(url, self._variant)
            self._variant = None
            return
        offset = 0
        if self._range is not None:
            length, offset = self._range
            offset = self._ends.get(url, 0) if offset < 0 else offset
            self._ends[url] = offset + length
        self._found.segments.append(
            Segment(self._number, url, offset, self._duration_s, self._begins_anew)
        )
        self._number += 1
        self._duration_s, self._begins_anew, self._range = 0.0, False, None

    def _add_variant(self, url: str, attributes: dict[str, str]) -> None:
        width, _, height = attributes.get("RESOLUTION", "").lower().partition("x")
        pixels = int(_number(width)) * int(_number(height))
        codecs = [name for name in attributes.get("CODECS", "").split(",") if name.strip()]
        if codecs and all(_SOUND.match(name.strip()) for name in codecs) and not pixels:
            return  # sound alone
        self._found.variants.append(
            Variant(url, pixels, int(_number(attributes.get("BANDWIDTH", ""))))
        )


def _attributes(text: str) -> dict[str, str]:
    return {key: value.strip('"') for key, value in _ATTRIBUTE.findall(text)}


def _number(text: str) -> float:
    """A number that is not negative; 0 for anything else."""
    found = re.match(r"\s*(\d{1,18}(?:\.\d{0,9})?)", text)
    return float(found[1]) if found else 0.0
