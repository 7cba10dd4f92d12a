"""The report of a camera process to its supervisor, and the channel that carries it.

JSON and not pickle: a camera process handles what strangers send, so a report
must not be able to run or to break anything in the supervisor.
"""

from __future__ import annotations

import json
import select
import socket
from base64 import b64decode
from dataclasses import Field, asdict, dataclass, fields
from typing import Any, Literal

from google.protobuf.message import DecodeError

from hermes.v1.camera_pb2 import (
    SOURCE_STATE_CONNECTING,
    PictureStatus,
    SourceError,
    SourceState,
)
from services.common.camera_status import MAX_TIME_MS
from services.decoder.faults import MAX_MESSAGE

MAX_REPORT_BYTES = 8192
MAX_COUNT = 2**53
"""Any larger number is no count; the sum of a few of them still fits into 64 bits."""

STOP = b"stop"


@dataclass(frozen=True, slots=True)
class Report:
    """The state of a camera process. All counts are since the process started."""

    state: int = SOURCE_STATE_CONNECTING
    error: int = 0
    message: str = ""
    fps: float = 0.0
    last_frame_ms: int = 0
    reconnects: int = 0
    published: int = 0
    dropped: int = 0
    decode_errors: int = 0
    damaged: int = 0
    missed: int = 0
    sampled: int = 0
    """Frames sampled in this epoch, by earlier processes too."""
    fenced: bool = False
    picture: str = ""
    """A `PictureStatus`, serialized, in base64; empty before the first frame."""

    @property
    def picture_status(self) -> PictureStatus | None:
        """The picture; None before the first frame. Raises ValueError if it cannot be read."""
        if not self.picture:
            return None
        try:
            status = PictureStatus.FromString(b64decode(self.picture, validate=True))
        except DecodeError:
            raise ValueError("picture is none") from None
        if not 0 <= status.frames_per_second <= MAX_COUNT or not status.codec.isprintable():
            raise ValueError("picture is out of range")
        return status

    def to_bytes(self) -> bytes:
        """For the channel."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Report:
        """From the channel. Raises ValueError for anything that `to_bytes` would not write."""
        try:
            found = json.loads(data)
        except RecursionError:
            raise ValueError("nested too deeply") from None
        if not isinstance(found, dict):
            raise ValueError("a report is an object")
        report = cls(**{item.name: _checked(item, found.get(item.name)) for item in fields(cls)})
        SourceState.Name(report.state)
        SourceError.Name(report.error)
        _ = report.picture_status
        if report.last_frame_ms > MAX_TIME_MS:
            raise ValueError("last_frame_ms is past the year 9999")
        return report


def _checked(item: Field[Any], value: Any) -> Any:
    """The value of a field, if it is one of its type and fits into the status hash."""
    kinds: dict[str, tuple[type, ...]] = {
        "float": (float, int),
        "int": (int,),
        "str": (str,),
        "bool": (bool,),
    }
    # A bool is an int in Python.
    if not isinstance(value, kinds[str(item.type)]) or (
        isinstance(value, bool) and item.type != "bool"
    ):
        raise ValueError(f"{item.name} is missing or of another type")
    if isinstance(value, str):
        value.encode()  # raises ValueError for half a surrogate pair
        if len(value) > MAX_MESSAGE:
            raise ValueError(f"{item.name} is too long")
    elif isinstance(value, int | float) and not 0 <= value <= MAX_COUNT:  # refuses NaN as well
        raise ValueError(f"{item.name} is out of range")
    return value


class Channel:
    """One end of a socket pair that keeps message boundaries and never blocks."""

    def __init__(self, end: socket.socket, most_bytes: int = MAX_REPORT_BYTES) -> None:
        """`most_bytes`: of a message that is received; a longer one is cut."""
        end.setblocking(False)
        self._socket = end
        self._most_bytes = most_bytes

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
            message = self._socket.recv(self._most_bytes)
        except BlockingIOError:
            return "nothing"
        except OSError:
            return "closed"
        return message or "closed"

    def close(self) -> None:
        """Hang up."""
        self._socket.close()
