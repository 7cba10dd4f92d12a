"""The address of a gateway: checked before gRPC sees it, whose own messages name no remedy."""

from __future__ import annotations

import re

from hermes.errors import InvalidInput

_FIELD = "gateway"
_EXAMPLE = "e.g. 127.0.0.1:50051"
_SCHEMES = ("dns", "unix", "unix-abstract", "ipv4", "ipv6", "vsock", "xds")
"""What gRPC itself knows, e.g. `unix:/run/hermes.sock`."""
_WITH_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(//)?(.*)", re.DOTALL)
_HOST = re.compile(r"\[[0-9A-Fa-f:.]+(%\w+)?\]|[^\s\[\]:/?#@\\]+")
_MAX_PORT = 65_535


def check_address(address: str, *, encrypted: bool) -> None:
    """Raise `InvalidInput`, which says what to write instead, for what is no `host:port`.

    Without a port gRPC takes 443, which is only sensible if the connection is
    `encrypted`. Addresses with a scheme of gRPC's own are left to gRPC.
    """
    if not address.strip():
        raise InvalidInput(_FIELD, f"is empty: write host:port, {_EXAMPLE}")
    if not address.isprintable():
        raise InvalidInput(
            _FIELD, f"holds characters that no address has: write host:port, {_EXAMPLE}"
        )
    if "@" in address:  # not repeated: there may be a password in it
        raise InvalidInput(
            _FIELD, f"has a user name or a password in it: write host:port, {_EXAMPLE}"
        )
    found = _WITH_SCHEME.fullmatch(address)
    if found is not None:
        scheme, slashes, rest = found.groups()
        if scheme.lower() in _SCHEMES and not rest.isdecimal():
            return
        if slashes:
            raise InvalidInput(_FIELD, _no_scheme(address, scheme.lower(), rest))
    _check_host_and_port(address, encrypted)


def _no_scheme(address: str, scheme: str, rest: str) -> str:
    host = rest.partition("/")[0]
    message = f"{address!r} has a scheme: write host:port without one"
    if _HOST.fullmatch(host.rpartition(":")[0]):
        message += f", {host}"
    if scheme in ("https", "grpcs"):
        message += ", and ask for TLS by its own options (--ca-file, or tls=)"
    return message


def _check_host_and_port(address: str, encrypted: bool) -> None:
    host, colon, port = address.rpartition(":")
    if address.count(":") > 1 and not address.startswith("["):
        raise InvalidInput(
            _FIELD, f"{address!r} looks like IPv6, which needs brackets: e.g. [::1]:50051"
        )
    if not colon or address.endswith("]"):
        host, port = address, "443" if encrypted else ""
    if not port:
        raise InvalidInput(_FIELD, f"{address!r} has no port: write host:port, {_EXAMPLE}")
    if "/" in address:
        raise InvalidInput(_FIELD, f"{address!r} has a path: write host:port alone, {_EXAMPLE}")
    if not (port.isascii() and port.isdecimal() and 0 < int(port) <= _MAX_PORT):
        raise InvalidInput(
            _FIELD, f"{address!r}: {port!r} is not a port, which is 1 to {_MAX_PORT}"
        )
    if not _HOST.fullmatch(host):
        raise InvalidInput(_FIELD, f"{address!r} names no host: write host:port, {_EXAMPLE}")
