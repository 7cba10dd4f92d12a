"""What a camera process tells its supervisor, and the channel that carries it.

JSON and not pickle: a camera process handles what strangers send, and what
it says must not be able to run anything in its supervisor.
"""

from __future__ import annotations

import json
import select
import socket
from dataclasses import asdict, dataclass, fields
from typing import Literal

from hermes.v1.camera_pb2 import SOURCE_STATE_CONNECTING, SourceError, SourceState

MAX_REPORT_BYTES = 8192
STOP = b"stop"


@dataclass(frozen=True, slots=True)
class Report:
    """A camera process as it is now. All counts are since the process started."""

    state: int = SOURCE_STATE_CONNECTING
    error: int = 0
    message: str = ""
    fps: float = 0.0
    last_frame_ms: int = 0
    reconnects: int = 0
    published: int = 0
    dropped: int = 0
    decode_errors: int = 0
    sampled: int = 0
    """Frames sampled in this epoch, by earlier processes too."""
    fenced: bool = False

    def to_bytes(self) -> bytes:
        """For the channel."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Report:
        """From the channel. Raises ValueError."""
        found = json.loads(data)
        if not isinstance(found, dict):
            raise ValueError("a report is an object")
        kinds: dict[str, type | tuple[type, ...]] = {
            "float": (int, float),
            "int": int,
            "str": str,
            "bool": bool,
        }
        for item in fields(cls):
            if not isinstance(found.get(item.name), kinds[str(item.type)]):
                raise ValueError(f"{item.name} is missing or of another type")
        report = cls(**{item.name: found[item.name] for item in fields(cls)})
        SourceState.Name(report.state)
        SourceError.Name(report.error)
        return report


class Channel:
    """One end of a pair of sockets that keep messages whole and never block."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._socket = end

    @staticmethod
    def pair() -> tuple[socket.socket, socket.socket]:
        """Two connected ends."""
        return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def fileno(self) -> int:
        """To wait on."""
        return self._socket.fileno()

    def send(self, message: bytes) -> bool:
        """Whether the message went out; it does not if the other end is gone or not reading."""
        try:
            self._socket.send(message)
        except OSError:
            return False
        return True

    def receive(self, timeout_s: float = 0.0) -> bytes | Literal["nothing", "closed"]:
        """The next message, or why there is none."""
        if timeout_s > 0:
            select.select([self._socket], [], [], timeout_s)
        try:
            message = self._socket.recv(MAX_REPORT_BYTES)
        except BlockingIOError:
            return "nothing"
        except OSError:
            return "closed"
        return message or "closed"

    def close(self) -> None:
        """Hang up."""
        self._socket.close()
