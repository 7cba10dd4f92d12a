from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator

import pytest

from services.common import http as status_http
from services.common.heartbeats import Heartbeats
from services.common.http import StatusServer
from services.common.metrics import Metrics


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
def test_metrics_for_who_accepts_openmetrics(server: StatusServer, accepted: str) -> None:
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


def test_a_fault_in_the_answer_is_an_answer(
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


def test_silent_clients_hold_up_no_probe(
    server: StatusServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_http, "MAX_CONNECTIONS", 8)
    silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(30)]
    try:
        for client in silent[-3:]:
            client.sendall(b"GET /metr")
        began = time.monotonic()
        assert ask(server, "/healthz")[0] == 200
        assert time.monotonic() - began < 2
        silent[0].settimeout(2)
        assert silent[0].recv(1) == b""  # the oldest made room
    finally:
        for client in silent:
            client.close()


def test_a_client_that_leaves_is_no_news(
    server: StatusServer, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(5):
        client = socket.create_connection(("127.0.0.1", server.port))
        client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        client.close()
    assert ask(server, "/healthz")[0] == 200
    assert capfd.readouterr().err == ""


def test_a_taken_port_is_named(server: StatusServer) -> None:
    with pytest.raises(OSError, match=f"HTTP port 127.0.0.1:{server.port}: Address already in use"):
        StatusServer("127.0.0.1", server.port, Metrics(), lambda: (True, ""))


def test_it_can_be_stopped_before_it_was_started() -> None:
    server = StatusServer("127.0.0.1", 0, Metrics(), lambda: (True, ""))
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=1)
