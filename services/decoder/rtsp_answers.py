"""RTSP answers: what a server said while it was opened, where FFmpeg reports less than that.

FFmpeg writes every line of an answer to its log. They are read here and shown nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from hermes.v1.camera_pb2 import (
    SOURCE_ERROR_AUTH,
    SOURCE_ERROR_REFUSED,
    TRANSPORT_TCP,
    TRANSPORT_UDP,
    Transport,
)
from services.decoder.faults import SourceFault
from services.decoder.rtsp_replies import MULTICAST, is_group

_LINE = re.compile(r"line='(.*)'", re.S)
_STATUS = re.compile(r"RTSP/1\.\d (\d{3})")
_CONNECTION = re.compile(r"(?m)^c=IN IP[46] ([0-9A-Fa-f.:]+)")
_REFUSED_SETUP = "method SETUP failed: 461"
_ALGORITHM = re.compile(r"(?i)algorithm=\"?([A-Za-z0-9-]{1,20})")
_QOP = re.compile(r"(?i)qop=\"([a-z, -]{1,40})\"")
_ANSWERABLE = {"MD5", "MD5-sess"}

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
            self._challenges = []
        name, _, value = line.partition(":")
        match name.lower():
            case "www-authenticate":
                self._challenges.append(value.strip())
            case "transport":
                self._transport = value.strip().lower()

    @property
    def by_udp(self) -> bool:
        """Whether pictures were to come over UDP."""
        return "/udp" in self._transport or self._transport.startswith("rtp/avp;")

    def why(self, asked: Transport) -> SourceFault | None:
        """Why the source could not be opened; None if the answers do not say it.

        `asked`: the transport that was asked for; unspecified for both.
        """
        if self._status == 401:
            return _unanswerable(self._challenges)
        if not self.refused_transport:
            return None
        if is_group(self._groups):  # what it announces, and sends to nobody alone
            return MULTICAST
        words = _NO_TRANSPORT.get(asked, _NEITHER)
        return SourceFault(SOURCE_ERROR_REFUSED, f"{words} (461 Unsupported Transport)")


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
