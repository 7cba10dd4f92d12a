"""Servers that are no camera: silent, hanging up, babbling, refusing."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Self

GARBAGE = bytes(range(256)) * 20
SSH = b"SSH-2.0-OpenSSH_9.6\r\n"


class WrongServer:
    """A TCP server in this process. A context manager.

    `answer`: what it says to every request, or to the first `answers` of a
    connection; None says nothing. `hangs_up`: it closes the connection then, or
    at once without an answer. `greets`: it speaks before it is asked.
    """

    def __init__(
        self,
        answer: bytes | None = None,
        *,
        answers: int | None = None,
        hangs_up: bool = False,
        greets: bool = False,
    ) -> None:
        self._answer = answer
        self._answers = answers
        self._hangs_up = hangs_up
        self._greets = greets
        self._connections: list[socket.socket] = []
        self.asked: list[bytes] = []
        """Every request that came."""

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
        for connection in self._connections:
            connection.close()

    def url(self, scheme: str, path: str = "/live", credentials: str = "") -> str:
        """The address of what it does not serve."""
        user = f"{credentials}@" if credentials else ""
        return f"{scheme}://{user}127.0.0.1:{self.port}{path}"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._greets and self._answer is not None:
                connection.sendall(self._answer)
            answered = 0
            while not (self._hangs_up and self._answer is None):
                request = connection.recv(65536)
                if not request:
                    return
                self.asked.append(request)
                left = self._answers is None or answered < self._answers
                if self._answer is not None and not self._greets and left:
                    connection.sendall(_in_turn(self._answer, request))
                    answered += 1
                if self._hangs_up:
                    break
            connection.close()
        except OSError:
            pass  # the client hung up, or the test has ended


def refusal(code: int, reason: str, protocol: str = "RTSP/1.0") -> bytes:
    """An answer that is a status alone."""
    return f"{protocol} {code} {reason}\r\nContent-Length: 0\r\n\r\n".encode()


def _in_turn(answer: bytes, request: bytes) -> bytes:
    """An RTSP answer with the request's number, as RTSP wants it."""
    numbers = [line for line in request.split(b"\r\n") if line.lower().startswith(b"cseq")]
    if not answer.startswith(b"RTSP/") or not numbers:
        return answer
    head, _, rest = answer.partition(b"\r\n")
    return b"\r\n".join([head, numbers[0], rest])
