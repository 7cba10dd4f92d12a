"""What stands before an MQTT broker and does what hostile and broken ones do."""

from __future__ import annotations

import socket
import socketserver
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

SILENT = "silent"
"""It accepts the connection, and says nothing."""
SHUT = "shut"
HALF = "half"
"""It closes in the middle of its first answer."""
NO_MQTT = "no MQTT"
REFUSES = "refuses"
"""It says that it is unavailable."""
CUTS = "cuts"
"""It lets a client in, and closes in the middle of what the client publishes."""

CUT_AFTER = 400
"""Bytes of a client: more than it needs to come in, less than an event."""
_ANSWERS = {
    HALF: b"\x20\x02\x00",
    NO_MQTT: b"HTTP/1.1 307 There\r\nLocation: http://127.0.0.1/\r\n\r\n",
    REFUSES: b"\x20\x02\x00\x03",
}


class HostileBroker:
    """A context manager. `behaviours`: what it does to connections, in order; later ones go on to
    the broker at `port`.
    """

    def __init__(self, port: int, *behaviours: str) -> None:
        self.behaviours = list(behaviours)
        self._over = threading.Event()
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with suppress(OSError):
                    outer.answer(self.request, port)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            block_on_close = False

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, client: socket.socket, port: int) -> None:
        """Do to one connection what is its turn."""
        behaviour = self.behaviours.pop(0) if self.behaviours else ""
        if behaviour == SILENT:
            self._over.wait(30)
        elif behaviour in _ANSWERS:
            client.recv(1)
            client.sendall(_ANSWERS[behaviour])
        elif behaviour != SHUT:
            with socket.create_connection(("127.0.0.1", port)) as broker:
                back = threading.Thread(target=_carry, args=(broker, client, None), daemon=True)
                back.start()
                _carry(client, broker, CUT_AFTER if behaviour == CUTS else None)


def _carry(source: socket.socket, sink: socket.socket, most: int | None) -> None:
    """Forward until the end, or until so many bytes have come; then end both sides."""
    with suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data if most is None else data[:most])
            if most is not None and (most := most - len(data)) <= 0:
                break
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
