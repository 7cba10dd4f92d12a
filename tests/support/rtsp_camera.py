"""An RTSP camera in this process, whose manners a test chooses. It needs no GStreamer."""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support import rtp
from tests.support.rtsp_login import Login


@dataclass(frozen=True)
class Manners:
    """How a camera behaves.

    `transports`: what it sends by. `group`: the address in every answer to SETUP,
    as `multicast` or `unicast`. `connection`: the SDP's. `redirect`: where it sends
    every viewer of a path without `stays`. `drops`: whether the RTP packet of a
    number is lost on the way. `refusal`: its answer to another transport.
    """

    transports: frozenset[str] = frozenset({"tcp", "udp"})
    group: str = ""
    cast: str = "multicast"
    connection: str = "IN IP4 0.0.0.0"
    login: Login | None = None
    redirect: str = ""
    stays: str = "/moved"
    drops: Callable[[int], bool] = lambda number: False
    refusal: str = "461 Unsupported Transport"


@dataclass
class RtspCamera:
    """Serves an Annex-B file, looped. A context manager.

    `certificate`: PEM with key and certificate, for rtsps.
    """

    video: Path
    manners: Manners = field(default_factory=Manners)
    codec: str = "h264"
    rate: int = 10
    host: str = "127.0.0.1"
    certificate: Path | None = None
    port: int = 0

    def __enter__(self) -> Self:
        self._units = rtp.access_units(self.video, self.codec)
        self.asked: list[str] = []
        """The first line of every request."""
        self.sent_by: list[str] = []
        """The transport of every viewer that was sent pictures."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def url(self, credentials: str = "", path: str = "/live") -> str:
        """Its address."""
        scheme = "rtsp" if self.certificate is None else "rtsps"
        user = f"{credentials}@" if credentials else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{user}{host}:{self.port}{path}"

    def start(self) -> None:
        """Begin to serve, after `kill` on the same port."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self._listener = socket.create_server((self.host, self.port), family=family)
        self.port = self._listener.getsockname()[1]
        self._up = True
        self._flowing = threading.Event()
        self._flowing.set()
        self._connections: list[socket.socket] = []
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def kill(self) -> None:
        """Gone, without a word. May be called twice."""
        self._up = False
        self._flowing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def stall(self) -> None:
        """Still connected, and silent."""
        self._flowing.clear()

    def go_on(self) -> None:
        """After `stall`."""
        self._flowing.set()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):
            if self.certificate is not None:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(self.certificate)
                connection = context.wrap_socket(connection, server_side=True)
                self._connections.append(connection)
            viewer = _Viewer(self, connection)
            while viewer.answer_next():
                self._flowing.wait()
            connection.close()

    def play(self, viewer: _Viewer) -> None:
        """Send pictures until the viewer or the camera is gone."""
        packetizer = rtp.Packetizer(self.codec)
        began_s, index, number = time.monotonic(), 0, 0
        self.sent_by.append(viewer.transport)
        with suppress(OSError):
            while self._up:
                for packet in packetizer.packets(
                    self._units[index % len(self._units)], index * rtp.CLOCK_HZ // self.rate
                ):
                    number += 1
                    if not self.manners.drops(number):
                        viewer.send(packet)
                index += 1
                time.sleep(max(0.0, began_s + index / self.rate - time.monotonic()))
                if not self._flowing.is_set():
                    self._flowing.wait()
                    began_s = time.monotonic() - index / self.rate
        viewer.close()


class _Viewer:
    """One connection of a client."""

    def __init__(self, camera: RtspCamera, connection: socket.socket) -> None:
        self._camera = camera
        self._connection = connection
        self._lock = threading.Lock()
        self._udp: socket.socket | None = None
        self._said = b""
        self.transport = ""

    def answer_next(self) -> bool:
        """Answer one request; False once there are no more."""
        while b"\r\n\r\n" not in self._said:
            more = self._connection.recv(65536)
            if not more:
                return False
            self._said += more
            if self._said[:1] == b"$":  # the viewer's own reports
                self._said = b""
        request, _, self._said = self._said.partition(b"\r\n\r\n")
        text = request[max(0, request.rfind(b"\n$") + 1) :].decode(errors="replace")
        first, *lines = text.split("\r\n")
        headers = {k.strip().lower(): v.strip() for k, _, v in (s.partition(":") for s in lines)}
        self._camera.asked.append(first)
        method, url, _ = first.split(" ", 2)
        status, extra, body = self._answer(method, url, headers)
        head = [f"RTSP/1.0 {status}", f"CSeq: {headers.get('cseq', '0')}", *extra]
        if body:
            head.append(f"Content-Length: {len(body)}")
        with self._lock:
            self._connection.sendall("\r\n".join([*head, "", ""]).encode() + body)
        if method == "PLAY" and status.startswith("200"):
            threading.Thread(target=self._camera.play, args=(self,), daemon=True).start()
        return method != "TEARDOWN"

    def _answer(
        self, method: str, url: str, headers: dict[str, str]
    ) -> tuple[str, list[str], bytes]:
        manners = self._camera.manners
        if manners.redirect and manners.stays not in url:
            return "302 Moved", [f"Location: {manners.redirect}"], b""
        if method == "OPTIONS":
            return "200 OK", ["Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN"], b""
        if manners.login is not None and not manners.login.fits(
            headers.get("authorization", ""), method, url
        ):
            return "401 Unauthorized", manners.login.challenges(), b""
        if method == "DESCRIBE":
            described = rtp.sdp(self._camera.codec, manners.connection)
            return "200 OK", ["Content-Type: application/sdp"], described
        if method == "SETUP":
            return self._set_up(headers.get("transport", ""))
        return "200 OK", ["Session: 1"], b""

    def _set_up(self, asked: str) -> tuple[str, list[str], bytes]:
        manners = self._camera.manners
        wanted = "tcp" if "/TCP" in asked else "udp"
        if manners.group:
            given = f"RTP/AVP;{manners.cast};destination={manners.group};port=5004-5005;ttl=1"
            ports = re.search(r"client_port=[\d-]+", asked)
            given += f";{ports[0]}" if ports and manners.cast == "unicast" else ""
            return "200 OK", [f"Transport: {given}", "Session: 1"], b""
        if wanted not in manners.transports:
            return manners.refusal, [], b""
        self.transport = wanted
        if wanted == "tcp":
            return "200 OK", [f"Transport: {asked}", "Session: 1"], b""
        port = int(re.findall(r"client_port=(\d+)", asked)[0])
        peer, own = self._connection.getpeername(), self._connection.getsockname()
        self._udp = socket.socket(self._connection.family, socket.SOCK_DGRAM)
        self._udp.bind((own[0], 0))
        self._udp.connect((peer[0], port))
        server = self._udp.getsockname()[1]
        answer = f"Transport: {asked};server_port={server}-{server + 1}"
        return "200 OK", [answer, "Session: 1"], b""

    def send(self, packet: bytes) -> None:
        """Send an RTP packet."""
        if self._udp is not None:
            with suppress(ConnectionRefusedError):  # the viewer left, and will say so
                self._udp.send(packet)
            return
        with self._lock:
            self._connection.sendall(b"$\0" + len(packet).to_bytes(2, "big") + packet)

    def close(self) -> None:
        """Stop sending."""
        if self._udp is not None:
            self._udp.close()
