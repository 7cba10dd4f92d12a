"""Habits of go2rtc and of players, found in URLs that people copy from there.

What can be done here is understood; anything else is refused by name, with what
to write instead. A hint never repeats a part of the URL that may be a secret.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

from hermes.errors import InvalidInput
from hermes.v1.camera_pb2 import TRANSPORT_TCP, TRANSPORT_UDP, TRANSPORT_UNSPECIFIED, Transport

_FROM_RTSP = "write the address alone, from rtsp:// on, without what stands before it or after #"
_THROUGH = "add it to go2rtc, and give go2rtc's own address of it here: rtsp://HOST:8554/NAME"
_PREFIXES = {
    "ffmpeg": f"FFmpeg is not started here: {_FROM_RTSP}",
    "exec": f"no program is started here: {_THROUGH}",
    "echo": f"no program is started here: {_THROUGH}",
    "expr": f"no program is started here: {_THROUGH}",
    "onvif": "ONVIF is not spoken here: write the camera's rtsp:// address, which its ONVIF"
    " profile and its manual name",
    "rtspx": "write rtsps://, and give the decoder the camera's certificate (tls_ca_file)",
    "rtspt": "write rtsp://: it goes over TCP by itself",
    "rtspu": "write rtsp://, and udp as the camera's transport",
} | dict.fromkeys(
    (
        *("alsa", "bubble", "doorbird", "dvrip", "flussonic", "gopro", "hass", "homekit", "isapi"),
        *("ivideon", "kasa", "multitrans", "nest", "ring", "roborock", "tapo", "tuya", "vigi"),
        *("webrtc", "webtorrent", "whep", "wyze", "xiaomi"),
    ),
    f"this protocol is not spoken here: {_THROUGH}",
)
_PREFIX = re.compile(r"([A-Za-z][A-Za-z0-9]*):")

LONGEST_S = 120.0
"""The longest silence that a URL may ask for."""

_HERE = {
    "backchannel": ("0", "1"),  # sound is never sent to a camera
    "media": ("video", "video,audio", "audio,video"),
    "video": ("copy",),
}
_ELSEWHERE = {
    "media": "frames are made of video alone; leave it out",
    "video": "leave it out: every video is decoded here, and none is converted before",
    "backchannel": "leave it out: no sound is sent to a camera",
    "transport": "write tcp or udp",
    "timeout": f"write seconds, up to {LONGEST_S:g}",
    "rotate": "leave it out, and give the camera itself the turn (picture: rotate)",
} | dict.fromkeys(
    (
        *("async", "bitrate", "gop", "hardware", "header", "height", "input", "query", "raw"),
        *("resolution", "template", "width"),
    ),
    "leave it out: the decoder's settings say how a video is decoded, and how large frames are",
)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What follows the # of an RTSP URL and is understood. 0: nothing is said of it."""

    transport: Transport = TRANSPORT_UNSPECIFIED
    timeout_s: float = 0.0


def foreign_prefix(url: str) -> str | None:
    """What to write in place of a source that begins as one of go2rtc's; None for any other."""
    found = _PREFIX.match(url)
    hint = _PREFIXES.get(found[1].lower()) if found else None
    if found is None or hint is None:
        return None
    file = "" if "://" in url else " (or ./ before the name of a file)"
    return f"begins with {found[1].lower()}:, as in go2rtc or a player; {hint}{file}"


def wishes(fragment: str) -> Wishes:
    """What the part of an RTSP URL after its first # says. Raises `InvalidInput`."""
    said = Wishes()
    for part in filter(None, fragment.split("#")):
        name, _, value = part.partition("=")
        if name == "transport" and value in ("tcp", "udp"):
            said = replace(said, transport=TRANSPORT_TCP if value == "tcp" else TRANSPORT_UDP)
        elif name == "timeout" and (seconds := _seconds(value)):
            said = replace(said, timeout_s=seconds)
        elif name != "audio" and value not in _HERE.get(name, ()):
            raise InvalidInput("camera.url", _refusal(name))
    return said


def _refusal(name: str) -> str:
    instead = _ELSEWHERE.get(name)
    if instead is None:
        return "holds a # that nothing known follows; in a path or a query it is written %23"
    return f"holds #{name}, which cannot be done as it says: {instead}"


def _seconds(text: str) -> float:
    """A time in seconds that can be waited for; 0 for anything else."""
    try:
        seconds = float(text)
    except ValueError:
        return 0.0
    return seconds if math.isfinite(seconds) and 0 < seconds <= LONGEST_S else 0.0
