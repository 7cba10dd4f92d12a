"""What cameras on the web send: playlists, MJPEG streams, stills, the first bytes of answers."""

from __future__ import annotations

import math

from hermes.errors import Unsupported
from services.decoder.faults import SourceFault
from services.decoder.joins import Joins
from services.decoder.jpeg_marks import jpeg_end, jpeg_size
from services.decoder.multipart import Multipart
from services.decoder.playlist import Playlist
from services.decoder.still import StillDecoder
from services.decoder.web_formats import WebFormat
from tests.fuzz.target import Target
from tests.support.stills import BLUE, GREEN, parts, still

BASE = "http://camera/live/index.m3u8"
PLAYLIST = b"""\
#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-KEY:METHOD=AES-128,URI="key.bin",IV=0x00000000000000000000000000000001
#EXT-X-MAP:URI="init.mp4",BYTERANGE="800@0"
#EXTINF:2.002,title
#EXT-X-BYTERANGE:1000@800
all.mp4
#EXT-X-DISCONTINUITY
#EXTINF:2.0,
http://other/8.ts?token=hunter2
#EXT-X-ENDLIST
"""
MASTER = b"""\
#EXTM3U
#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360,CODECS="avc1.42e00a,mp4a.40.2"
small.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=5000000,RESOLUTION=1920x1080
large.m3u8
"""


def _read_playlist(data: bytes) -> str:
    try:
        found = Playlist.parse(data, BASE)
    except SourceFault as fault:
        return fault.message
    joins = Joins()
    joins.listed(found)
    for segment in found.segments:
        assert math.isfinite(segment.duration_s)
        joins.opened(segment.url, segment.offset, there=segment.number % 3 != 0)
        joins.read(10)
        join = joins.before(10**9)
        assert join is None or (math.isfinite(join.missing_s) and join.missing_s >= 0)
    assert len(found.best_first(100_000)) == len(found.variants)
    return f"{min(len(found.segments), 3)} segments, {len(found.variants)} variants"


def _read_parts(data: bytes) -> str:
    whole, pieces = [], []
    try:
        whole = Multipart("frame").feed(data)
        stream = Multipart("frame")
        for at in range(0, len(data), 777):
            pieces += stream.feed(data[at : at + 777])
    except Unsupported as error:
        return str(error)
    assert all(len(part.body) <= len(data) for part in [*whole, *pieces])
    return f"{len(whole)} parts"


def _read_still(data: bytes) -> str:
    end, size = jpeg_end(data), jpeg_size(data)
    assert end is None or 4 <= end <= len(data)
    try:
        frame = StillDecoder().decode(data) if size is None or max(size) <= 2000 else None
    except SourceFault as fault:
        return "".join(c for c in fault.message if not c.isdigit())
    return "none" if frame is None else frame.format.name


def _read_format(data: bytes) -> str:
    kind, _, first = data.partition(b"\n")
    try:
        return WebFormat.of(kind.decode("latin-1"), first, ("/live",)).name
    except SourceFault as fault:
        return fault.message


PLAYLISTS = Target(
    "playlists",
    lambda: [PLAYLIST, MASTER],
    _read_playlist,
    words=(b"#EXT-X-DISCONTINUITY\n", b"#EXT-X-ENDLIST\n", b"#EXTINF:", b"RESOLUTION=", b"\0"),
)
PARTS = Target(
    "parts",
    lambda: [
        parts([still(GREEN), still(BLUE)]),
        parts([still(GREEN), b"text"], length=False, line_end="\n", gap=""),
    ],
    _read_parts,
    words=(b"--frame", b"\r\n\r\n", b"\xff\xd8", b"\xff\xd9", b"Content-Length: "),
)
STILLS = Target(
    "stills",
    lambda: [still(kind=kind) for kind in ("JPEG", "PNG", "WEBP")] + [still(orientation=6)],
    _read_still,
    words=(b"\xff\xd9", b"\xff\xda", b"\xff\xc0", b"\xff\xe1"),
)
FORMATS = Target(
    "web-formats",
    lambda: [
        b"text/html\n<!doctype html><html>",
        b"application/dash+xml\n<?xml version='1.0'?><MPD>",
        b"image/jpeg\n\xff\xd8\xff\xe0",
        b"\n--frame\r\nContent-Type: image/jpeg\r\n\r\n",
        b"\n" + PLAYLIST[:200],
    ],
    _read_format,
    words=(b"<MPD", b"#EXTM3U", b"multipart/", b"--"),
)
