"""The RTMP relay: FFmpeg's connection to an RTMP server, made by the dialer.

FFmpeg would resolve the server's name itself. So it connects to this process, and what it says
goes to the address that was checked, encrypted for rtmps.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit

from hermes.v1.camera_pb2 import SOURCE_ERROR_ENDED
from services.decoder.dialer import Dialer
from services.decoder.faults import SourceFault, fault_of_web

PORTS = {"rtmp": 1935, "rtmps": 443}
READ_BYTES = 64 << 10
ACCEPT_S = 10.0


class RtmpRelay:
    """Relays one connection. Closed once."""

    def __init__(self, url: str, dialer: Dialer, timeout_s: float) -> None:
        """Connects to the server of `url`. Raises `SourceFault`, without credentials."""
        parts = urlsplit(url)
        scheme = parts.scheme.lower()
        dial = dialer.dial_tls if scheme == "rtmps" else dialer.dial
        try:
            self._server = dial(parts.hostname or "", parts.port or PORTS[scheme], timeout_s)
        except (SourceFault, OSError) as error:
            raise fault_of_web(error, ()) from None
        self._server.settimeout(timeout_s)
        self._timeout_s = timeout_s
        self._client: socket.socket | None = None
        self.fault: SourceFault | None = None
        """Why the server ended it, as far as that is known."""
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1)
        self._listener.settimeout(ACCEPT_S)
        near = f"127.0.0.1:{self._listener.getsockname()[1]}"
        user, _, host = parts.netloc.rpartition("@")
        self.url = urlunsplit(
            parts._replace(scheme="rtmp", netloc=f"{user}@{near}" if user else near)
        )
        """What FFmpeg opens."""
        application = "/".join(parts.path.split("/")[:2])
        self.server_url = f"{scheme}://{host}{application}"
        """What it tells the server that it opens."""
        self._threads = [
            threading.Thread(target=self._run, name="rtmp relay", daemon=True),
        ]
        self._threads[0].start()

    def close(self) -> None:
        """End the connection. May be called twice."""
        for one in (self._listener, self._server, self._client):
            if one is not None:
                with suppress(OSError):  # closing alone would not wake the threads
                    one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(1.0)
        for one in (self._listener, self._server, self._client):
            if one is not None:
                one.close()

    def _run(self) -> None:
        try:
            self._client, _ = self._listener.accept()
        except OSError:
            return  # closed before FFmpeg came
        self._client.settimeout(self._timeout_s)
        upward = threading.Thread(
            target=self._carry, args=(self._client, self._server), name="rtmp up", daemon=True
        )
        self._threads.append(upward)
        upward.start()
        if not self._carry(self._server, self._client):
            self.fault = SourceFault(
                SOURCE_ERROR_ENDED, "the RTMP server closes the connection without an answer"
            )
        with suppress(OSError):
            self._client.shutdown(socket.SHUT_RDWR)

    def _carry(self, source: socket.socket, sink: socket.socket) -> bool:
        """Carry data until an end closes. Whether any came."""
        came = False
        while True:
            try:
                data = source.recv(READ_BYTES)
                if not data:
                    return came
                came = True
                sink.sendall(data)
            except TimeoutError:
                # A player has nothing to say for long; of a silent server FFmpeg tires itself.
                continue
            except (OSError, ValueError):
                return came
