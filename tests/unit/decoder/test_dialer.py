"""Connections go to checked addresses only."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from hermes.v1.camera_pb2 import SOURCE_ERROR_NOT_FOUND, SOURCE_ERROR_REFUSED
from services.common.networks import Networks
from services.decoder.dialer import Dialer
from services.decoder.faults import SourceFault

NO_LOOPBACK = Networks.parse("loopback", "")


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_an_allowed_host_is_connected_to(port: int) -> None:
    with Dialer(Networks.parse("", "")).dial("localhost", port, 2.0) as connection:
        assert connection.getpeername() == ("127.0.0.1", port)
        assert connection.gettimeout() == 2.0


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "::1",
     "::ffff:127.0.0.1"],
)  # fmt: skip
def test_a_denied_host_is_refused_however_it_is_spelt(host: str, port: int) -> None:
    with pytest.raises(SourceFault, match="not allowed here") as refused:
        Dialer(NO_LOOPBACK).dial(host, port, 2.0)
    assert refused.value.error == SOURCE_ERROR_REFUSED


def test_a_name_is_resolved_once_and_only_its_checked_addresses_are_used(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    answers = [["169.254.169.254", "127.0.0.1"], ["169.254.169.254"]]

    def rebinding(host: str, port: int, **_: object) -> list[object]:
        asked.append(host)
        kind = socket.SOCK_STREAM
        return [(socket.AF_INET, kind, 6, "", (ip, port)) for ip in answers[len(asked) - 1]]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    dialer = Dialer(Networks.parse("", ""))
    with dialer.dial("rebinding.example", port, 2.0) as connection:
        assert connection.getpeername() == ("127.0.0.1", port)
    assert asked == ["rebinding.example"]
    with pytest.raises(SourceFault, match=r"169\.254\.169\.254"):
        dialer.dial("rebinding.example", port, 2.0)


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..b", ".localhost"])
def test_what_can_be_no_name_is_no_host(host: str) -> None:
    with pytest.raises(SourceFault, match="no such host") as refused:
        Dialer(NO_LOOPBACK).dial(host, 80, 2.0)
    assert refused.value.error == SOURCE_ERROR_NOT_FOUND
