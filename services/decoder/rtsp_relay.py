"""The RTSP relay: FFmpeg's connection to a server, made by the dialer.

FFmpeg connects to wherever a URL or a redirect says. So it is given an address of this process,
and what it says goes to the address that was checked, encrypted if the URL says so.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit

from services.decoder.dialer import Dialer
from services.decoder.faults import SourceFault, fault_of_web
from services.decoder.rtsp_replies import NotRtsp, RtspReplies

PORTS = {"rtsp": 554, "rtsps": 322}
MOST_CONNECTIONS = 4
"""FFmpeg connects once more after a redirect."""

READ_BYTES = 256 << 10
BATCH_S = 0.004
"""Media come in packets of 1.4 kB. Waiting this long for more of them saves waking for each."""


class RtspRelay:
    """Relays one source's connections, one after the other. Closed once."""

    def __init__(self, url: str, dialer: Dialer, timeout_s: float) -> None:
        """Connects to the server of `url`. Raises `SourceFault`, without credentials."""
        parts = urlsplit(url)
        self._scheme = parts.scheme.lower()
        self._host, self._port = parts.hostname or "", parts.port or PORTS[self._scheme]
        self._dialer = dialer
        self._timeout_s = timeout_s
        self._far = url
        self._closed = threading.Event()
        self._server: socket.socket | None = self._dial()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1)
        near = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._near = f"rtsp://{near}"
        user = parts.netloc.rpartition("@")[0]
        self.url = urlunsplit(
            parts._replace(scheme="rtsp", netloc=f"{user}@{near}" if user else near)
        )
        """What FFmpeg opens."""
        self._fault: SourceFault | None = None
        self._thread = threading.Thread(target=self._run, name="rtsp relay", daemon=True)
        self._thread.start()

    @property
    def fault(self) -> SourceFault | None:
        """Why it ended a connection, if it was for something that the server said."""
        return self._fault

    def close(self) -> None:
        """End every connection."""
        self._closed.set()
        # Closing would not wake the thread.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(1.0)

    def _dial(self) -> socket.socket:
        dial = self._dialer.dial_tls if self._scheme == "rtsps" else self._dialer.dial
        try:
            return dial(self._host, self._port, self._timeout_s)
        except (SourceFault, OSError) as error:
            raise fault_of_web(error, ()) from None

    def _run(self) -> None:
        try:
            for _ in range(MOST_CONNECTIONS):
                client, _ = self._listener.accept()
                with client:
                    self._serve(client)
        except (OSError, NotRtsp, ValueError):
            pass  # FFmpeg sees the end of the connection
        finally:
            self._listener.close()
            if self._server is not None:
                self._server.close()

    def _serve(self, client: socket.socket) -> None:
        try:
            server, self._server = self._server or self._dial(), None
            with server:
                self._relay(client, server)
        except SourceFault as fault:
            self._fault = fault  # before FFmpeg sees that the connection ends
            raise ConnectionAbortedError from None

    def _relay(self, client: socket.socket, server: socket.socket) -> None:
        """Carry data until one end closes. Raises what `RtspReplies` does, and OSError."""
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.settimeout(self._timeout_s)
        replies = RtspReplies(self._near, self._far, server.getpeername()[0])
        while not self._closed.is_set():
            readable, _, _ = select.select([client, server], [], [], 1.0)
            if client in readable:
                asked = client.recv(READ_BYTES)
                if not asked:
                    return
                server.settimeout(self._timeout_s)
                server.sendall(asked)
            if server in readable:
                if replies.streaming:
                    time.sleep(BATCH_S)
                if not self._pass_on(server, client, replies):
                    return

    def _pass_on(self, server: socket.socket, client: socket.socket, replies: RtspReplies) -> bool:
        """Carry what the server has sent. Whether it goes on."""
        server.settimeout(0.0)
        while True:
            try:
                said = server.recv(READ_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError):
                return True
            if not said:
                return False
            if allowed := replies.feed(said):
                client.sendall(allowed)
            if not isinstance(server, ssl.SSLSocket):
                return True
