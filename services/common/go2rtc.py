"""Habits of go2rtc and of players, found in URLs that people copy from there.

What can be done here is understood; anything else is refused by name, with what
to write instead. A hint never repeats a part of the URL that may be a secret.
"""

from __future__ import annotations

import re

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
        *("webtorrent", "wyze", "xiaomi"),
    ),
    f"this protocol is not spoken here: {_THROUGH}",
)
_PREFIX = re.compile(r"([A-Za-z][A-Za-z0-9]*):")

_TRANSPORTS: dict[str, Transport] = {"tcp": TRANSPORT_TCP, "udp": TRANSPORT_UDP}
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
    "timeout": "leave it out: the decoder's read_timeout_s is the longest silence of its cameras",
    "rotate": "leave it out, and give the camera itself the turn (picture: rotate)",
} | dict.fromkeys(
    (
        *("async", "bitrate", "gop", "hardware", "header", "height", "input", "query", "raw"),
        *("resolution", "template", "width"),
    ),
    "leave it out: the decoder's settings say how a video is decoded, and how large frames are",
)


def foreign_prefix(url: str) -> str | None:
    """What to write in place of a source that begins as one of go2rtc's; None for any other."""
    found = _PREFIX.match(url)
    hint = _PREFIXES.get(found[1].lower()) if found else None
    if found is None or hint is None:
        return None
    file = "" if "://" in url else " (or ./ before the name of a file)"
    return f"begins with {found[1].lower()}:, as in go2rtc or a player; {hint}{file}"


def transport_of(fragment: str) -> Transport:
    """The transport that the part of an RTSP URL after its first # asks for.

    Raises `InvalidInput` for anything in it that cannot be done.
    """
    transport: Transport = TRANSPORT_UNSPECIFIED
    for part in filter(None, fragment.split("#")):
        name, _, value = part.partition("=")
        if name == "transport" and value in _TRANSPORTS:
            transport = _TRANSPORTS[value]
        elif name != "audio" and value not in _HERE.get(name, ()):
            raise InvalidInput("camera.url", _refusal(name))
    return transport


def _refusal(name: str) -> str:
    instead = _ELSEWHERE.get(name)
    if instead is None:
        return "holds a # that nothing known follows; in a path or a query it is written %23"
    return f"holds #{name}, which cannot be done as it says: {instead}"
