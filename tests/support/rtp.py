"""RTP packets of an H.264 or H.265 stream, as cameras send them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

PAYLOAD_TYPE = 96
CLOCK_HZ = 90_000
MAX_PAYLOAD = 1_300
_DELIMITERS = {"h264": 9, "h265": 35}
_SUFFIXES = {"h264": (), "h265": (40,)}
"""What belongs to the slices before it."""
_FRAGMENT = 28
_FRAGMENT_265 = 49


def access_units(path: Path, codec: str = "h264") -> list[list[bytes]]:
    """The file's NAL units, those of a picture together, without delimiters."""
    units: list[list[bytes]] = [[]]
    whole = False  # whether the unit that is being filled has a slice
    for nal in path.read_bytes().replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")[1:]:
        kind = _kind(nal, codec)
        is_slice = kind in (1, 5) if codec == "h264" else kind < 32
        first = (
            nal[1 if codec == "h264" else 2] & 0x80 if is_slice else kind not in _SUFFIXES[codec]
        )
        if whole and first:
            units.append([])
            whole = False
        whole |= is_slice
        if kind != _DELIMITERS[codec]:
            units[-1].append(nal.rstrip(b"\0"))
    return units


def sdp(codec: str, connection: str = "IN IP4 0.0.0.0") -> bytes:
    """What a camera says of its one video stream, with the address that it sends to."""
    name = {"h264": "H264/90000", "h265": "H265/90000"}[codec]
    lines = [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=camera",
        f"c={connection}",
        "t=0 0",
        f"m=video 0 RTP/AVP {PAYLOAD_TYPE}",
        f"a=rtpmap:{PAYLOAD_TYPE} {name}",
        "a=control:trackID=0",
        "",
    ]
    return "\r\n".join(lines).encode()


class Packetizer:
    """Numbers and cuts what one viewer gets."""

    def __init__(self, codec: str = "h264") -> None:
        self._codec = codec
        self._number = 1

    def packets(self, unit: list[bytes], time: int) -> Iterator[bytes]:
        """The RTP packets of an access unit. `time`: in units of `CLOCK_HZ`."""
        payloads = [part for nal in unit for part in self._parts(nal)]
        for index, payload in enumerate(payloads):
            last = 0x80 if index == len(payloads) - 1 else 0
            head = (0x80, last | PAYLOAD_TYPE, self._number & 0xFFFF, time & 0xFFFFFFFF, 0x1234)
            self._number += 1
            yield struct.pack("!BBHII", *head) + payload

    def _parts(self, nal: bytes) -> Iterator[bytes]:
        if len(nal) <= MAX_PAYLOAD:
            yield nal
            return
        size = 1 if self._codec == "h264" else 2
        kind = _kind(nal, self._codec)
        body = nal[size:]
        for start in range(0, len(body), MAX_PAYLOAD):
            first = 0x80 if start == 0 else 0
            end = 0x40 if start + MAX_PAYLOAD >= len(body) else 0
            if self._codec == "h264":
                head = bytes([nal[0] & 0xE0 | _FRAGMENT])
            else:
                head = bytes([nal[0] & 0x81 | _FRAGMENT_265 << 1, nal[1]])
            yield head + bytes([first | end | kind]) + body[start : start + MAX_PAYLOAD]


def _kind(nal: bytes, codec: str) -> int:
    return nal[0] & 0x1F if codec == "h264" else nal[0] >> 1 & 0x3F
