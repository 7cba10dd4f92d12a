"""A server that is no camera gets its own true error, at later tries as at the first."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from hermes.v1.camera_pb2 import (
    SOURCE_ERROR_AUTH,
    SOURCE_ERROR_ENDED,
    SOURCE_ERROR_NOT_FOUND,
    SOURCE_ERROR_PROTOCOL,
    SOURCE_ERROR_REFUSED,
    SOURCE_ERROR_TIMEOUT,
    SOURCE_ERROR_TLS,
    SOURCE_ERROR_UNAVAILABLE,
    SOURCE_STATE_OFFLINE,
    SOURCE_STATE_ONLINE,
    SourceError,
)
from services.cli.redis_server import free_port
from services.decoder.faults import SourceFault
from services.decoder.settings import DecoderSettings
from services.decoder.source import Source
from tests.integration.decoder.conftest import RtspServer
from tests.support.decoder_service import DecoderService
from tests.support.waiting import eventually
from tests.support.wrong_server import GARBAGE, SSH, WrongServer, refusal

SETTINGS = DecoderSettings(open_timeout_s=1.5, read_timeout_s=0.5)
PASSWORD = "s3cretw0rd"

SERVERS: dict[str, Callable[[], WrongServer]] = {
    "silent": WrongServer,
    "closes at once": lambda: WrongServer(hangs_up=True),
    "closes when asked": lambda: WrongServer(b"", hangs_up=True),
    "garbage": lambda: WrongServer(GARBAGE, hangs_up=True),
    "ssh": lambda: WrongServer(SSH, greets=True),
    "stops answering": lambda: WrongServer(refusal(200, "OK"), answers=1),
    "breaks off": lambda: WrongServer(refusal(200, "OK"), answers=1, hangs_up=True),
} | {
    f"{protocol.split('/')[0]} {code}": (
        lambda code=code, reason=reason, protocol=protocol: WrongServer(
            refusal(code, reason, protocol), hangs_up=protocol.startswith("HTTP")
        )
    )
    for protocol in ("RTSP/1.0", "HTTP/1.1")
    for code, reason in (
        (400, "Bad Request"),
        (401, "Unauthorized"),
        (404, "Not Found"),
        (461, "Unsupported Transport"),
        (503, "Service Unavailable"),
    )
}

RTSP = {
    "silent": (SOURCE_ERROR_TIMEOUT, "does not answer"),
    "closes at once": (SOURCE_ERROR_ENDED, "closes the connection without an answer"),
    "closes when asked": (SOURCE_ERROR_ENDED, "closes the connection without an answer"),
    "garbage": (SOURCE_ERROR_PROTOCOL, "does not speak RTSP"),
    "ssh": (SOURCE_ERROR_PROTOCOL, "does not speak RTSP"),
    "stops answering": (SOURCE_ERROR_TIMEOUT, "the server stopped answering"),
    "breaks off": (SOURCE_ERROR_PROTOCOL, "its RTSP answers break off"),
    "RTSP 400": (SOURCE_ERROR_REFUSED, "the server refused the request"),
    "RTSP 401": (SOURCE_ERROR_AUTH, "wrong or missing credentials"),
    "RTSP 404": (SOURCE_ERROR_NOT_FOUND, "the server has no such path"),
    "RTSP 461": (SOURCE_ERROR_REFUSED, "(461 Unsupported Transport)"),
    "RTSP 503": (SOURCE_ERROR_UNAVAILABLE, "cannot serve now (503 Service Unavailable)"),
    "HTTP 400": (SOURCE_ERROR_PROTOCOL, "an HTTP server answers there (400 Bad Request)"),
    "HTTP 404": (SOURCE_ERROR_PROTOCOL, "or write http://"),
}
HTTP = {
    "silent": (SOURCE_ERROR_TIMEOUT, "does not answer"),
    "closes at once": (SOURCE_ERROR_ENDED, "closes the connection without an answer"),
    "closes when asked": (SOURCE_ERROR_ENDED, "closes the connection without an answer"),
    "garbage": (SOURCE_ERROR_PROTOCOL, "does not speak HTTP"),
    "ssh": (SOURCE_ERROR_PROTOCOL, "does not speak HTTP"),
    "HTTP 400": (SOURCE_ERROR_REFUSED, "the server refused the request"),
    "HTTP 401": (SOURCE_ERROR_AUTH, "wrong or missing credentials"),
    "HTTP 404": (SOURCE_ERROR_NOT_FOUND, "the server has no such path"),
    "HTTP 503": (SOURCE_ERROR_UNAVAILABLE, "cannot serve now"),
}
TLS = {
    "silent": (SOURCE_ERROR_TIMEOUT, ""),
    "closes at once": (SOURCE_ERROR_ENDED, "closed the connection"),
    "ssh": (SOURCE_ERROR_TLS, "the server does not speak TLS"),
}
CASES = [
    (scheme, kind, path, error, words)
    for scheme, path, table in (
        ("rtsp", "/live", RTSP),
        ("rtsps", "/live", TLS),
        ("http", "/live.m3u8", HTTP),
        ("https", "/film.mp4", TLS),
    )
    for kind, (error, words) in table.items()
]


def fault_of(url: str) -> SourceFault:
    """Why the source cannot be opened."""
    with pytest.raises(SourceFault) as raised, Source(url, SETTINGS):
        pass
    return raised.value


@pytest.mark.parametrize(("scheme", "kind", "path", "error", "words"), CASES)
def test_a_wrong_server_is_told_from_others_at_every_try(
    scheme: str, kind: str, path: str, error: SourceError, words: str
) -> None:
    with SERVERS[kind]() as server:
        for _ in range(2):
            fault = fault_of(server.url(scheme, path, f"viewer:{PASSWORD}"))
            assert SourceError.Name(fault.error) == SourceError.Name(error), fault.message
            assert words in fault.message
            assert PASSWORD not in fault.message
            assert not fault.permanent


@pytest.mark.parametrize("scheme", ["rtsp", "rtsps", "http", "https"])
def test_no_server_and_no_host(scheme: str) -> None:
    for _ in range(2):
        fault = fault_of(f"{scheme}://127.0.0.1:{free_port()}/live")
        assert fault.error == SOURCE_ERROR_REFUSED
        assert "refused" in fault.message
        fault = fault_of(f"{scheme}://camera.invalid/live")
        assert fault.error == SOURCE_ERROR_NOT_FOUND
        assert "there is no such host" in fault.message


def test_a_password_that_was_read_as_the_path_is_hinted_at() -> None:
    fault = fault_of(f"rtsp://viewer.invalid:12/{PASSWORD}@10.0.0.7/live")
    assert fault.error == SOURCE_ERROR_NOT_FOUND
    assert "/ as %2F" in fault.message
    assert PASSWORD not in fault.message


def test_the_password_is_not_sent_to_find_out_what_is_wrong() -> None:
    with WrongServer(b"", hangs_up=True) as server:
        fault_of(server.url("rtsp", credentials=f"viewer:{PASSWORD}"))
        assert len(server.asked) == 2, "one request of FFmpeg's, one of ours"
        assert all(PASSWORD.encode() not in request for request in server.asked)


@pytest.mark.slow
def test_the_decoder_reports_it_and_a_server_that_stops_answering_as_well(
    redis_url: str,
    redis_client: redis.Redis,
    tmp_path: Path,
    rtsp: Callable[..., RtspServer],
) -> None:
    lobby = rtsp()
    kinds = {"silent": "silent", "closes": "closes at once", "http": "HTTP 400"}
    with ExitStack() as stack:
        decoder = stack.enter_context(DecoderService(redis_url, tmp_path))
        decoder.add("stopped", lobby.url())
        decoder.wait_for("stopped", SOURCE_STATE_ONLINE)
        lobby.pause()
        for camera_id, kind in kinds.items():
            decoder.add(camera_id, stack.enter_context(SERVERS[kind]()).url("rtsp"))
        for camera_id, kind in kinds.items():
            error, words = RTSP[kind]
            status = decoder.wait_for(camera_id, SOURCE_STATE_OFFLINE, error)
            assert words in status.error_message
        seen = set()

        def tried_thrice() -> bool:
            status = decoder.status("stopped")
            if status.state == SOURCE_STATE_OFFLINE:
                seen.add(status.error)
            return status.reconnects >= 3

        eventually(tried_thrice, 30.0, "later tries")
        assert seen == {SOURCE_ERROR_TIMEOUT}
