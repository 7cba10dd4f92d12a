"""An address that cannot be right is refused at once, in words that say what to write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.client import HermesClient, Tls
from hermes.client.address import check_address
from hermes.errors import InvalidInput


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("http://127.0.0.1:50051", "has a scheme: write host:port without one, 127.0.0.1:50051"),
        ("http://127.0.0.1:50051/", "without one, 127.0.0.1:50051"),
        ("https://gateway:443", "--ca-file"),
        ("grpc://gateway:50051", "without one, gateway:50051"),
        ("http://", "without one"),
        ("http://gateway", "without one"),
        ("", "is empty"),
        (" ", "is empty"),
        ("127.0.0.1", "has no port"),
        ("gateway:", "has no port"),
        ("[::1]", "has no port"),
        (":50051", "names no host"),
        ("a b:1", "names no host"),
        ("gateway:99999", "'99999' is not a port"),
        ("gateway:0", "'0' is not a port"),
        ("gateway:abc", "'abc' is not a port"),
        ("gateway:-1", "'-1' is not a port"),
        ("::1:50051", "needs brackets"),
        ("gateway:50051/v1", "has a path"),
        ("gate\udcff:1", "characters that no address has"),
        ("gate\nway:1", "characters that no address has"),
    ],
)
def test_what_is_no_address_is_told(address: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=r"^gateway: ") as refused:
        HermesClient(address)
    assert told in str(refused.value)
    str(refused.value).encode()


@pytest.mark.parametrize("address", ["u:hunter2@gateway:1", "http://u:hunter2@gateway:1"])
def test_a_password_is_not_repeated(address: str) -> None:
    with pytest.raises(InvalidInput, match="a password in it") as refused:
        HermesClient(address)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1:50051", "gateway:1", "[::1]:65535", "hermes-gateway.hermes.svc:50051"),
        *("[fe80::1%eth0]:1", "unix:/run/hermes.sock", "unix:///run/h", "dns:///gateway:1"),
        *("ipv4:10.0.0.1:1,10.0.0.2:1", "ipv6:[::1]:1", "DNS:gateway:1", "dns:50051"),
    ],
)
def test_an_address_is_accepted(address: str) -> None:
    check_address(address, encrypted=False)


def test_an_encrypted_connection_has_a_port_of_its_own() -> None:
    check_address("gateway.example", encrypted=True)
    check_address("[::1]", encrypted=True)
    with pytest.raises(InvalidInput, match="has no port"):
        check_address("gateway.example", encrypted=False)


@given(st.text(st.characters()))
def test_any_text_is_accepted_or_refused(address: str) -> None:
    try:
        check_address(address, encrypted=False)
    except InvalidInput as refused:
        str(refused).encode()


def test_a_server_name_that_is_none() -> None:
    with pytest.raises(InvalidInput, match=r"tls\.server_name"):
        Tls(server_name="gate\udcff")
