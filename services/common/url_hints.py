"""Hints: what a person most likely meant by a URL that cannot be used as it is.

A hint never repeats any part of the URL but its scheme: the rest may be a password.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

ENCODE = (
    "in a user or password write these signs percent-encoded: @ as %40, : as %3A, / as %2F,"
    " ? as %3F, # as %23, % as %25"
)

USE_HLS = (
    "give the same stream's HLS address, which ends in .m3u8 (most servers offer both), or"
    " restream it as HLS or RTSP"
)
STREAM_OF_PAGE = (
    "give the address of the stream itself (for a camera the rtsp:// address of its manual, for a"
    " web site what yt-dlp -g PAGE prints)"
)

_SCHEME = r"(?P<scheme>rtsps?|https?)"
_MISTAKES = (
    (re.compile(rf"(?i){_SCHEME}:/(?!/)(?!.*://)"), "has one slash after the colon; write {s}://"),
    (re.compile(rf"(?i){_SCHEME}//"), "lacks the colon; write {s}://"),
    (re.compile(rf"(?i){_SCHEME};/"), "has a semicolon for the colon; write {s}://"),
    (re.compile(rf"(?i){_SCHEME}:?\\\\"), "has backslashes; write {s}:// and / from there on"),
)
_ELSEWHERE = {
    "srt": "SRT is not in the FFmpeg that comes with this decoder: restream it as RTSP, for example"
    " with MediaMTX",
    "rist": "RIST is not in the FFmpeg that comes with this decoder: restream it as RTSP",
    "webrtc": "WebRTC is not read here: go2rtc and MediaMTX offer the same stream over rtsp://",
    "whep": "WebRTC (WHEP) is not read here: go2rtc and MediaMTX offer the same stream over rtsp://",
    "udp": "streams that arrive without being asked for are not read here: restream it as RTSP",
    "rtp": "streams that arrive without being asked for are not read here: restream it as RTSP",
    "rtmp": "the operator can allow it (--protocols of gateway and decoder)",
    "rtmps": "the operator can allow it (--protocols of gateway and decoder)",
    "mms": "Windows Media streams are not read here: restream it as RTSP",
    "ftp": "copy the file into the media folder, or serve it over http://",
    "sftp": "copy the file into the media folder, or serve it over http://",
    "hls": "write http:// or https://: HLS is recognised by itself",
    "dash": f"MPEG-DASH is not read here: {USE_HLS}",
    "onvif": "ONVIF is how cameras are set up: ask the camera for its rtsp:// address",
}
"""What to do about a scheme that is not read."""

_MANIFESTS = (
    (re.compile(r"(?i)\.mpd$"), f"is MPEG-DASH, which is not read here: {USE_HLS}"),
    (re.compile(r"(?i)\.f4m$"), f"is Adobe HDS, which is not read here: {USE_HLS}"),
    (
        re.compile(r"(?i)\.isml?(?:/manifest)?$"),
        f"is Smooth Streaming, which is not read here: {USE_HLS}",
    ),
)
_SITES = re.compile(
    r"(?i)(?:^|\.)(youtube\.com|youtube-nocookie\.com|youtu\.be|twitch\.tv|vimeo\.com|facebook\.com"
    r"|dailymotion\.com|tiktok\.com)$"
)

_QUOTED = re.compile(r"""["'<\u2018\u201c].*""", re.S)
_WINDOWS = re.compile(r"(?:[A-Za-z]:[\\/]|\\\\)(?!.*://)", re.S)
_ADDRESS = re.compile(r"(?:\d{1,3}(?:\.\d{1,3}){3}|www\.[\w.-]+)(?::\d+)?(?:/|$)")
_AFTER_HOST = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#@:]*:[^/?#@]*[/?#].*@", re.S)


def mistake_in(url: str) -> str | None:
    """What is wrong with a text that is neither a URL nor a file's name; None if it may be one."""
    if _QUOTED.match(url) and "://" in url:
        return "begins with a quote; leave out what is around the URL"
    for pattern, words in _MISTAKES:
        if found := pattern.match(url):
            return words.format(s=found["scheme"].lower())
    if _WINDOWS.match(url):
        return (
            "is a path of Windows; give the file's path below the media folder, with /"
            " (or ./ before a file whose name looks so)"
        )
    if _ADDRESS.match(url):
        return (
            "is a URL without a scheme; write rtsp://, rtsps://, http:// or https:// before it"
            " (or ./ before the name of a file)"
        )
    return None


def nearest_scheme(scheme: str, allowed: Iterable[str]) -> str | None:
    """The allowed scheme that was most likely meant by a misspelt one."""
    near = difflib.get_close_matches(scheme.lower(), sorted(allowed), n=1, cutoff=0.7)
    return near[0] if near else None


def password_ends_host(url: str) -> bool:
    """Whether an unencoded sign in a password may have been read as the end of the host.

    Of `rtsp://user:12/34@host/s` the host is read as `user`.
    """
    return _AFTER_HOST.match(url) is not None


def instead_of(scheme: str) -> str | None:
    """What to do about a scheme that is known and not read; None for any other."""
    return _ELSEWHERE.get(scheme.lower())


def unread_format(host: str, path: str) -> str | None:
    """What is wrong with an address that cannot be read, whatever answers there."""
    if site := _SITES.search(host):
        return f"is a page of {site[1].lower()}, not video: {STREAM_OF_PAGE}"
    return next((words for name, words in _MANIFESTS if name.search(path)), None)
