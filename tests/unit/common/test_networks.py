"""Addresses that sources may lead to, in all their spellings."""

from __future__ import annotations

import pytest

from services.common.networks import Networks


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.0.1",
        "fe80::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "fd20:ce::254",
        "100.100.100.200",
        "168.63.129.16",
        "0.0.0.0",
        "0.1.2.3",
        "::",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "::ffff:169.254.169.254",
        "::169.254.169.254",
        "::ffff:0:169.254.169.254",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "2001:0:a9fe:a9fe::1",
        "2001:db8::5efe:a9fe:a9fe",
    ],
)
def test_metadata_and_link_local_addresses_are_denied_in_every_form(address: str) -> None:
    assert not Networks.parse("", "").allows(address)
    assert not Networks.parse("10.0.0.0/8", "").allows(address), "a list adds to the default"
    assert not Networks.parse("", "0.0.0.0/0, ::/0").allows(address), "what is denied counts first"


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "10.1.2.3", "192.168.1.9", "203.0.113.7", "2001:db8::7"]
)
def test_others_are_allowed_until_the_operator_says_more(address: str) -> None:
    assert Networks.parse("", "").allows(address)


def test_words_and_networks_can_be_denied() -> None:
    networks = Networks.parse("loopback, Private,203.0.113.0/24", "")
    for address in ("127.9.9.9", "::1", "::ffff:127.0.0.1", "10.1.2.3", "fd12::1", "203.0.113.7"):
        assert not networks.allows(address)
    assert networks.allows("198.51.100.1")


def test_none_leaves_out_the_default() -> None:
    assert Networks.parse("none", "").allows("169.254.7.7")
    networks = Networks.parse("none,metadata", "")
    assert networks.allows("169.254.7.7")
    assert not networks.allows("100.100.100.200")


def test_only_what_is_allowed_if_something_is() -> None:
    networks = Networks.parse("", "192.168.7.0/24,2001:db8::/32,10.0.0.9")
    for address in ("192.168.7.3", "2001:db8::1", "10.0.0.9", "::ffff:192.168.7.3"):
        assert networks.allows(address)
    for address in ("192.168.8.3", "127.0.0.1", "10.0.0.8", "2001:db9::1"):
        assert not networks.allows(address)


@pytest.mark.parametrize("text", ["10.0.0.0/33", "camera.example", "10.0.0.1/8", "fd00::/129"])
def test_what_is_no_network_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is no network"):
        Networks.parse(text, "")
