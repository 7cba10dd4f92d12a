"""RTSP answers: what a server said while it was opened, where FFmpeg reports less than that.

FFmpeg writes every line of an answer to its log. They are read here and shown nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from hermes.v1.camera_pb2 import (
    SOURCE_ERROR_AUTH,
    SOURCE_ERROR_REFUSED,
    TRANSPORT_TCP,
    TRANSPORT_UDP,
    Transport,
)
from services.decoder.faults import SourceFault

_LINE = re.compile(r"line='(.*)'", re.S)
_STATUS = re.compile(r"RTSP/1\.\d (\d{3})")
_CONNECTION = re.compile(r"(?m)^c=IN IP[46] ([0-9A-Fa-f.:]+)")
_REFUSED_SETUP = "method SETUP failed: 461"
_ALGORITHM = re.compile(r"(?i)algorithm=\"?([A-Za-z0-9-]{1,20})")
_QOP = re.compile(r"(?i)qop=\"([a-z, -]{1,40})\"")
_ANSWERABLE = {"MD5", "MD5-sess"}

MULTICAST = SourceFault(
    SOURCE_ERROR_REFUSED,
    "the server sends to a multicast group, which is not read here: switch multicast off in the"
    " camera, or give the address of a stream of its own for each viewer (unicast)",
)
_NO_TRANSPORT = {
    TRANSPORT_TCP: "the server does not send over TCP: take auto or udp as the camera's transport",
    TRANSPORT_UDP: "the server does not send over UDP: take auto or tcp as the camera's transport",
}
_NEITHER = "the server sends neither over TCP nor over UDP"


class RtspAnswers:
    """All answers of one attempt to open a source. `said`: FFmpeg's log lines."""

    def __init__(self, said: Iterable[str]) -> None:
        self.refused_transport = False
        """Whether the server does not send by what it was asked for."""
        self._groups: list[str] = []
        self._status = 0
        self._location = ""
        self._challenges: list[str] = []
        self._transport = ""
        for text in said:
            self.refused_transport |= text.startswith(_REFUSED_SETUP)
            if text.startswith("SDP:"):
                self._groups += _CONNECTION.findall(text)
            elif line := _LINE.match(text):
                self._read(line[1])

    def _read(self, line: str) -> None:
        if status := _STATUS.match(line):
            self._status = int(status[1])
            self._location, self._challenges = "", []
        name, _, value = line.partition(":")
        match name.lower():
            case "location":
                self._location = value.strip()
            case "www-authenticate":
                self._challenges.append(value.strip())
            case "transport":
                self._transport = value.strip().lower()

    @property
    def by_udp(self) -> bool:
        """Whether pictures were to come over UDP."""
        return "/udp" in self._transport or self._transport.startswith("rtp/avp;")

    def multicast(self) -> SourceFault | None:
        """The fault of a server that sends to a group only; it may look open, and stay silent."""
        destination = re.search(r"destination=\[?([0-9a-f.:]+)", self._transport)
        answered = "multicast" in self._transport.split(";")
        if answered or (destination and _is_group(destination[1])):
            return MULTICAST
        described = any(map(_is_group, self._groups))
        return MULTICAST if described and self.refused_transport else None

    def why(self, asked: Transport) -> SourceFault | None:
        """Why the source could not be opened; None if the answers do not say it.

        `asked`: the transport that was asked for; unspecified for both.
        """
        if 300 <= self._status < 400:
            return _sent_on(self._location)
        if self._status == 401:
            return _unanswerable(self._challenges)
        if (fault := self.multicast()) is not None or not self.refused_transport:
            return fault
        words = _NO_TRANSPORT.get(asked, _NEITHER)
        return SourceFault(SOURCE_ERROR_REFUSED, f"{words} (461 Unsupported Transport)")


def _sent_on(location: str) -> SourceFault:
    """The fault of a server that names another address. Its path may hold a token."""
    try:
        parts = urlsplit(location)
        host = f" ({parts.scheme}://{parts.netloc.rpartition('@')[2]})" if parts.hostname else ""
    except ValueError:
        host = ""
    return SourceFault(
        SOURCE_ERROR_REFUSED,
        f"the server sends viewers on to another address{host}, which is not followed:"
        " give the camera that address",
    )


def _unanswerable(challenges: list[str]) -> SourceFault | None:
    """The fault of a server that wants a proof which FFmpeg cannot give; None if it can."""
    digests = [text for text in challenges if text.lower().startswith("digest")]
    if digests:
        # FFmpeg answers the last of them, and no other kind beside them.
        algorithm = _ALGORITHM.search(digests[-1])
        qop = _QOP.search(digests[-1])
        if algorithm is not None and algorithm[1] not in _ANSWERABLE:
            kind = f"Digest {algorithm[1]}"
        elif qop is not None and "auth" not in re.split(r"[ ,]+", qop[1]):
            kind = f"Digest with qop {qop[1]}"
        else:
            return None
    elif challenges and not any(text.lower().startswith("basic") for text in challenges):
        kind = re.split(r"[^A-Za-z-]", challenges[-1])[0][:20]
    else:
        return None
    return SourceFault(
        SOURCE_ERROR_AUTH,
        f"the server wants the password by {kind}, which is not supported here: in the camera's"
        " settings take Digest MD5 alone for RTSP, or Basic (with rtsps, where others can listen)",
    )


def _is_group(address: str) -> bool:
    try:
        return ip_address(address).is_multicast
    except ValueError:
        return False
