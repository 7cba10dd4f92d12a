from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from services.common.bounded_http import HttpLimits
from services.common.heartbeats import Heartbeats
from services.common.http import StatusServer
from services.common.metrics import Metrics
from tests.support.waiting import eventually


class Ready:
    answer: tuple[bool, str] | Exception = (True, "")

    def __call__(self) -> tuple[bool, str]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ready() -> Ready:
    return Ready()


@pytest.fixture
def server(ready: Ready) -> Iterator[StatusServer]:
    metrics = Metrics()
    metrics.camera_state.labels("lobby").set(3)
    server = StatusServer("127.0.0.1", 0, metrics, ready)
    server.start()
    yield server
    server.stop()


def ask(
    server: StatusServer, path: str, method: str = "GET", **headers: str
) -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, response.headers["Content-Type"], response.read()
    finally:
        connection.close()


def test_metrics(server: StatusServer) -> None:
    status, kind, body = ask(server, "/metrics?x=1")
    assert status == 200
    assert kind.startswith("text/plain")
    assert b'hermes_camera_state{camera="lobby"} 3.0' in body
    assert b"# EOF" not in body


# As Prometheus 2.42 and 3.0 ask.
@pytest.mark.parametrize(
    "accepted",
    [
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
        "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
        "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
    ],
)
def test_metrics_for_clients_that_accept_openmetrics(server: StatusServer, accepted: str) -> None:
    status, kind, body = ask(server, "/metrics", Accept=accepted)
    assert status == 200
    assert kind.startswith("application/openmetrics-text; version=1.0.0")
    assert b'hermes_camera_state{camera="lobby"} 3.0' in body
    assert body.endswith(b"# EOF\n")


def test_health_and_readiness(server: StatusServer, ready: Ready) -> None:
    assert ask(server, "/healthz")[0] == 200
    status, _, body = ask(server, "/readyz")
    assert (status, json.loads(body)) == (200, {"ready": True, "why": ""})
    assert b"\nhermes_ready 1.0\n" in ask(server, "/metrics")[2]
    ready.answer = (False, "Redis does not answer")
    assert b"\nhermes_ready 0.0\n" in ask(server, "/metrics")[2]
    status, _, body = ask(server, "/readyz")
    assert (status, json.loads(body)["why"]) == (503, "Redis does not answer")
    assert ask(server, "/healthz")[0] == 200


def test_a_late_thread_fails_health_and_is_named(
    ready: Ready, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock()
    heartbeats = Heartbeats(clock)
    server = StatusServer("127.0.0.1", 0, Metrics(), ready, heartbeats=heartbeats)
    server.start()
    try:
        ingest, reporter = heartbeats.add("ingest", 5.0), heartbeats.add("reporter", 60.0)
        assert ask(server, "/healthz")[0] == 200
        clock.now = 10.0
        status, _, body = ask(server, "/healthz")
        assert (status, json.loads(body)) == (503, {"alive": False, "late": ["ingest"]})
        metrics = ask(server, "/metrics")[2]
        assert b'hermes_thread_heartbeat_age_seconds{thread="ingest"} 10.0' in metrics
        assert b"\nhermes_threads_late 1.0\n" in metrics
        ask(server, "/healthz")
        ingest.beat()
        heartbeats.remove(reporter)
        status, _, body = ask(server, "/healthz")
        assert (status, json.loads(body)) == (200, {"alive": True})
        metrics = ask(server, "/metrics")[2]
        assert b'thread="reporter"' not in metrics
        assert b"\nhermes_threads_late 0.0\n" in metrics
    finally:
        server.stop()
    said = capsys.readouterr().err
    assert said.count("threads_late") == said.count("threads_on_time") == 1  # not at every probe


def test_a_failed_request_is_answered_with_an_error(
    server: StatusServer, ready: Ready, capsys: pytest.CaptureFixture[str]
) -> None:
    ready.answer = OSError("rtsp://u:hunter2@h/s")
    status, _, body = ask(server, "/readyz")
    assert status == 500
    assert b"hunter2" not in body
    assert ask(server, "/healthz")[0] == 200
    assert b"\nhermes_ready 0.0\n" in ask(server, "/metrics")[2]
    assert "Exception occurred during processing" not in capsys.readouterr().err


def test_other_paths_and_methods(server: StatusServer) -> None:
    assert ask(server, "/")[0] == 404
    assert ask(server, "/../../etc/passwd")[0] == 404
    assert ask(server, "/healthz", "HEAD") == (200, "application/json", b"")
    assert ask(server, "/healthz", "POST")[0] == 501


@contextmanager
def limited(ready: Callable[[], tuple[bool, str]], limits: HttpLimits) -> Iterator[StatusServer]:
    server = StatusServer("127.0.0.1", 0, Metrics(), ready, limits=limits)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def connected(server: StatusServer, count: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=5))
            for _ in range(count)
        ]


def ended(client: socket.socket) -> bool:
    """Whether the server closes the connection within its time-out, without an answer."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


def connection_threads() -> int:
    return sum("process_request_thread" in thread.name for thread in threading.enumerate())


def test_idle_connections_do_not_block_a_probe(ready: Ready) -> None:
    with limited(ready, HttpLimits(connections=8)) as server, connected(server, 30) as silent:
        for client in silent[-3:]:
            client.sendall(b"GET /metr")
        began = time.monotonic()
        assert ask(server, "/healthz")[0] == 200
        assert time.monotonic() - began < 2
        assert ended(silent[0])  # the oldest made room
        eventually(lambda: connection_threads() <= 8)


def drip(client: socket.socket, stop: threading.Event) -> None:
    """Send a request, a byte now and then, until the server closes the connection."""
    client.sendall(b"GET /healthz HTTP/1.1\r\nX: ")
    with suppress(OSError):
        while not stop.wait(0.05):
            client.sendall(b"x")


def test_slow_requests_end_in_time_while_probes_are_answered(ready: Ready) -> None:
    """Nothing, half a request, and a request that never ends."""
    limits, stop = HttpLimits(request_s=1.0), threading.Event()
    with limited(ready, limits) as server, connected(server, 9) as clients:
        began = time.monotonic()
        for client in clients[3:6]:
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n")
        dripping = [threading.Thread(target=drip, args=(client, stop)) for client in clients[6:]]
        try:
            for thread in dripping:
                thread.start()
            assert ask(server, "/healthz")[0] == 200
            assert all(ended(client) for client in clients)
            assert 0.9 < time.monotonic() - began < 4
            assert ask(server, "/healthz")[0] == 200
        finally:
            stop.set()
            for thread in dripping:
                thread.join()
        eventually(lambda: connection_threads() == 0)


@pytest.mark.parametrize(
    "flood",
    [b"GET /" + b"x" * 9000, b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 2000],
    ids=["path", "header"],
)
def test_an_endless_request_is_refused_at_its_limit(ready: Ready, flood: bytes) -> None:
    limits = HttpLimits(header_bytes=8192)
    with limited(ready, limits) as server, connected(server, 1) as (client,):
        with suppress(OSError):  # closed while we still send
            client.sendall(flood)
        answer = b""
        with suppress(ConnectionResetError):
            answer = client.recv(4096)
        assert b"200" not in answer
        eventually(lambda: connection_threads() == 0)
        assert ask(server, "/healthz")[0] == 200


def test_a_client_that_does_not_read_its_answer_is_closed(ready: Ready) -> None:
    metrics = Metrics()
    for n in range(20_000):
        metrics.camera_state.labels(f"camera-{n:0200}").set(1)
    limits = HttpLimits(response_s=0.3)
    server = StatusServer("127.0.0.1", 0, metrics, ready, limits=limits)
    server.start()
    try:
        with connected(server, 1) as (client,):
            client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
            assert client.recv(1)
            eventually(lambda: connection_threads() == 0)
    finally:
        server.stop()


def test_a_request_that_is_answered_is_not_closed_for_newer_ones() -> None:
    """Only the oldest connection without a whole request makes room."""
    release = threading.Event()

    def slow() -> tuple[bool, str]:
        release.wait(5)
        return True, "late"

    with (
        limited(slow, HttpLimits(connections=4, request_s=0.2)) as server,
        connected(server, 1) as (probe,),
    ):
        probe.sendall(b"GET /readyz HTTP/1.1\r\n\r\n")
        time.sleep(0.4)  # longer than a request may take
        with connected(server, 12) as newer:
            assert ended(newer[0])
            release.set()
            assert probe.recv(4096).startswith(b"HTTP/1.0 200")


def test_a_client_that_leaves_is_not_logged(
    server: StatusServer, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(5):
        client = socket.create_connection(("127.0.0.1", server.port))
        client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        client.close()
    assert ask(server, "/healthz")[0] == 200
    assert capfd.readouterr().err == ""


def test_a_port_in_use_is_named(server: StatusServer) -> None:
    with pytest.raises(OSError, match=f"HTTP port 127.0.0.1:{server.port}: Address already in use"):
        StatusServer("127.0.0.1", server.port, Metrics(), lambda: (True, ""))


def test_a_server_can_be_stopped_before_it_is_started() -> None:
    server = StatusServer("127.0.0.1", 0, Metrics(), lambda: (True, ""))
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=1)
