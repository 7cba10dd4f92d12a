"""Networks: the addresses that a process may connect to.

Whoever writes a stream can name any host in it, so each address is checked when it is
connected to, not only the one in the camera's URL.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

WORDS: dict[str, tuple[str, ...]] = {
    "link-local": ("169.254.0.0/16", "fe80::/10"),
    # Beside 169.254.169.254: of Alibaba, of Azure's host, of Oracle, and of AWS and Google in IPv6.
    "metadata": (
        "100.100.100.200/32",
        "168.63.129.16/32",
        "192.0.0.192/32",
        "fd00:ec2::/32",
        "fd20:ce::254/128",
    ),
    "unspecified": ("0.0.0.0/8", "::/128"),
    "multicast": ("224.0.0.0/4", "255.255.255.255/32", "ff00::/8"),
    "loopback": ("127.0.0.0/8", "::1/128"),
    "private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"),
}
"""Names for several networks at once."""

ALWAYS = ("link-local", "metadata", "unspecified", "multicast")
"""Denied beside what the operator denies, unless the list says `none`."""

NONE = "none"

_NAT64 = (
    (IPv6Network("64:ff9b::/96"), 0),
    (IPv6Network("64:ff9b:1::/48"), 0),
    (IPv6Network("::ffff:0:0/96"), 0),
    (IPv6Network("::ffff:0:0:0/96"), 0),
    (IPv6Network("::/96"), 0),
    (IPv6Network("2002::/16"), 80),
)
"""Forms of an IPv4 address in IPv6, and how many bits lie right of it."""

_ISATAP = 0x5EFE


@dataclass(frozen=True, slots=True)
class Networks:
    """Which addresses may be connected to. What is denied counts before what is allowed.

    `allowed`: None allows all others.
    """

    denied: tuple[Network, ...] = ()
    allowed: tuple[Network, ...] | None = None

    @classmethod
    def parse(cls, denied: str, allowed: str) -> Networks:
        """From two lists, separated by commas. Raises ValueError naming what cannot be read."""
        listed = _names(denied)
        words = [name for name in listed if name != NONE]
        forbidden = _networks(words if NONE in listed else [*ALWAYS, *words])
        permitted = _names(allowed)
        return cls(forbidden, _networks(permitted) if permitted else None)

    def allows(self, address: str) -> bool:
        """Whether the address, in digits, may be connected to, in each form that it stands for."""
        forms = tuple(_forms(ip_address(address.partition("%")[0])))
        if any(form in network for form in forms for network in self.denied):
            return False
        return self.allowed is None or any(
            form in network for form in forms for network in self.allowed
        )


def _names(text: str) -> list[str]:
    return [name.strip().lower() for name in text.split(",") if name.strip()]


def _networks(names: list[str]) -> tuple[Network, ...]:
    found: list[Network] = []
    for name in names:
        try:
            found += [ip_network(item) for item in WORDS.get(name) or (name,)]
        except ValueError:
            raise ValueError(
                f"{name[:50]!r} is no network; write 10.0.0.0/8, fd00::/8, one address, or one of"
                f" {', '.join(WORDS)}"
            ) from None
    return tuple(found)


def _forms(address: Address) -> Iterator[Address]:
    """The address, and the IPv4 addresses that a gateway or the system may take it for."""
    yield address
    if isinstance(address, IPv4Address):
        return
    number = int(address)
    for network, shift in _NAT64:
        if address in network and address.packed != IPv6Address("::1").packed:
            yield IPv4Address(number >> shift & 0xFFFFFFFF)
    if address.teredo is not None:
        yield from address.teredo
    if number >> 32 & 0xFFFF == _ISATAP:
        yield IPv4Address(number & 0xFFFFFFFF)
