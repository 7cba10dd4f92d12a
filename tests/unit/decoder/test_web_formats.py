"""What an HTTP answer is, by its type and its first bytes."""

from __future__ import annotations

import pytest

from services.decoder.faults import SourceFault
from services.decoder.web_formats import WebFormat

JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1"
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
PLAYLIST = b"#EXTM3U\n#EXT-X-VERSION:3\n"


@pytest.mark.parametrize("kind", ["image/jpeg", "image/jpg", "text/html", "", "image/png"])
@pytest.mark.parametrize("before", [b"", b"\r\n", b"\n"])
def test_a_picture_is_one_whatever_the_server_calls_it(kind: str, before: bytes) -> None:
    for picture in (JPEG, PNG):
        assert WebFormat.of(kind, (before + picture)[:16], ("/snap",)) is WebFormat.STILL


@pytest.mark.parametrize(
    ("kind", "first"),
    [
        ("multipart/x-mixed-replace", JPEG),
        ("Multipart/Mixed", b"--frame\r\n"),
        ("text/plain", b"--frame\r\nContent-Type: image/jpeg\r\n"),
        ("video/x-motion-jpeg", JPEG),
        ("video/mjpeg", b"\r\n" + JPEG),
    ],
)
def test_pictures_one_after_the_other(kind: str, first: bytes) -> None:
    assert WebFormat.of(kind, first, ("/live",)) is WebFormat.PARTS


def test_playlists_and_what_is_left_to_the_library() -> None:
    assert WebFormat.of("text/plain", PLAYLIST, ("/live",)) is WebFormat.PLAYLIST
    assert WebFormat.of("video/mp4", b"\0\0\0\x20ftypisom", ("/a.mp4",)) is WebFormat.OTHER
    assert WebFormat.of("image/jpeg", b"\xff\0\0", ("/snap",)) is WebFormat.STILL


@pytest.mark.parametrize(
    ("first", "name"),
    [
        (b"<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash'/>", "MPEG-DASH"),
        (b"<!DOCTYPE html><html>", "page for a browser"),
        (b"v=0\r\no=- 0 0 IN IP4 0.0.0.0", "SDP"),
        (b'{"error": "no"}', "JSON"),
        (b"[playlist]\nFile1=http://x/", "list of addresses"),
    ],
)
def test_what_is_not_read_is_refused_by_name(first: bytes, name: str) -> None:
    with pytest.raises(SourceFault, match=name):
        WebFormat.of("application/octet-stream", first, ("/live",))
