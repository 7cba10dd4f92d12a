"""An RTMP server in this process that plays one FLV file, as far as FFmpeg's player needs it."""

from __future__ import annotations

import socket
import struct
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

HANDSHAKE_BYTES = 1536
CHUNK_BYTES = 65536
SET_CHUNK_SIZE, COMMAND, METADATA = 1, 20, 18
CREATE_STREAM, PLAY = b"createStream", b"\x00\x04play"


class RtmpServer:
    """A context manager. `flv`: what it plays to everybody."""

    def __init__(self, flv: Path) -> None:
        self._tags = list(_tags(flv.read_bytes()))
        self.said = b""
        """All that players said."""

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def url(self, credentials: str = "") -> str:
        """The address of what it plays."""
        user = f"{credentials}@" if credentials else ""
        return f"rtmp://{user}127.0.0.1:{self.port}/live/camera"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                first = _exactly(connection, 1 + HANDSHAKE_BYTES)
                # Zeros for its version: the simple handshake.
                connection.sendall(b"\3" + bytes(HANDSHAKE_BYTES) + first[1:])
                _exactly(connection, HANDSHAKE_BYTES)
                self._play(connection)
            except OSError:
                return  # the player has gone

    def _play(self, connection: socket.socket) -> None:
        heard = b""
        self._await(connection, heard, b"connect")
        connection.sendall(_message(SET_CHUNK_SIZE, struct.pack(">I", CHUNK_BYTES)))
        fine = _object(level="status", code="NetConnection.Connect.Success")
        connection.sendall(_message(COMMAND, _text("_result") + _number(1) + _object() + fine))
        heard = self._await(connection, b"", CREATE_STREAM)
        at = heard.index(CREATE_STREAM) + len(CREATE_STREAM)
        number = heard[at : at + 9]
        connection.sendall(_message(COMMAND, _text("_result") + number + b"\5" + _number(1)))
        self._await(connection, heard[at:], PLAY)
        started = _object(level="status", code="NetStream.Play.Start")
        connection.sendall(_message(COMMAND, _text("onStatus") + _number(0) + b"\5" + started))
        for kind, time_ms, body in self._tags:
            connection.sendall(_message(kind, body, time_ms))
        while connection.recv(4096):
            pass  # until the player goes

    def _await(self, connection: socket.socket, heard: bytes, word: bytes) -> bytes:
        """What is heard until a word comes, and a bit more."""
        while word not in heard or len(heard) < heard.index(word) + len(word) + 9:
            more = connection.recv(4096)
            if not more:
                raise ConnectionResetError
            heard += more
            self.said += more
        return heard


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise ConnectionResetError
        data += more
    return data


def _message(kind: int, body: bytes, time_ms: int = 0) -> bytes:
    head = b"\3" + time_ms.to_bytes(3, "big") + len(body).to_bytes(3, "big") + bytes([kind])
    pieces = [body[at : at + CHUNK_BYTES] for at in range(0, len(body), CHUNK_BYTES)] or [b""]
    return head + struct.pack("<I", 0 if kind == COMMAND else 1) + b"\xc3".join(pieces)


def _text(text: str) -> bytes:
    return b"\2" + len(text).to_bytes(2, "big") + text.encode()


def _number(number: float) -> bytes:
    return b"\0" + struct.pack(">d", number)


def _object(**fields: str) -> bytes:
    body = b"".join(_text(name)[1:] + _text(value) for name, value in fields.items())
    return b"\3" + body + b"\0\0\t"


def _tags(flv: bytes) -> list[tuple[int, int, bytes]]:
    """Kind, time in ms, and body of each tag of an FLV file."""
    found = []
    at = 13
    while at + 11 <= len(flv):
        kind, size = flv[at], int.from_bytes(flv[at + 1 : at + 4], "big")
        time_ms = int.from_bytes(flv[at + 4 : at + 7], "big")
        body = flv[at + 11 : at + 11 + size]
        found.append((kind, time_ms, (_text("@setDataFrame") + body) if kind == METADATA else body))
        at += 11 + size + 4
    return found
