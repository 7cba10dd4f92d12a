"""Sources that are never read are refused by name when they are added, with what to do."""

from __future__ import annotations

import pytest

from hermes.errors import InvalidInput
from services.common.cameras import ALL_PROTOCOLS, SourcePolicy, check_url

REFUSED = {
    "https://host/live/manifest.mpd": "MPEG-DASH",
    "https://host/live/MANIFEST.MPD?token=secret1": "MPEG-DASH",
    "http://host/live.ism/Manifest": "Smooth Streaming",
    "http://host/live.isml/manifest?x=secret1": "Smooth Streaming",
    "http://host/live.f4m": "Adobe HDS",
    "https://www.youtube.com/watch?v=secret1": "a page of youtube.com",
    "https://youtu.be/secret1": "a page of youtu.be",
    "https://m.twitch.tv/somebody": "a page of twitch.tv",
    "srt://host:9000?passphrase=secret1": "SRT is not in the FFmpeg",
    "rtmp://user:secret1@host/live/key": "the operator can allow it",
    "webrtc://host/live": "WebRTC",
    "whep://host/live": "WebRTC (WHEP)",
    "udp://239.0.0.1:1234": "without being asked for",
    "rtp://239.0.0.1:1234": "without being asked for",
    "ftp://user:secret1@host/film.mp4": "media folder",
    "hls://host/live.m3u8": "recognised by itself",
    "onvif://host/": "rtsp:// address",
}


@pytest.mark.parametrize("url", REFUSED)
def test_refused_by_name(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_url(url, SourcePolicy())
    assert REFUSED[url] in caught.value.message
    assert "secret1" not in caught.value.message


@pytest.mark.parametrize(
    "url",
    [
        "https://notyoutube.com/watch",
        "https://host/youtube.com/live.m3u8",
        "http://host/mpd",
        "http://host/x.mpd.m3u8",
        "http://host/cgi-bin/snapshot.cgi?channel=1",
    ],
)
def test_what_only_looks_alike_is_taken(url: str) -> None:
    check_url(url, SourcePolicy())


def test_rtmp_is_taken_where_it_is_allowed() -> None:
    for scheme in ("rtmp", "rtmps"):
        check_url(f"{scheme}://host/live/key", SourcePolicy(protocols=ALL_PROTOCOLS))
