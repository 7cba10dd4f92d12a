"""Egress: the addresses that a sink may be reached at, and TLS to them.

A name is resolved once and each address is checked. The connection goes to a checked address, so
it does not matter what the name means a moment later.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from services.common.files import UnusableFile
from services.common.networks import Networks
from services.notifier.sink import Failed

MOST_ADDRESSES = 4
"""Addresses of one name that are tried, so that a name cannot hold a delivery up."""

PUBLIC = Networks.parse("loopback,private", "")
ANY = Networks.parse("", "")
"""Without link-local addresses, cloud metadata and multicast, which no sink has."""

LOOKUPS = 2
"""Of one sink at a time. Each sink has threads of its own: a name server that hangs takes all."""

Resolve = Callable[[str, int], Awaitable[list[Any]]]


class Egress:
    """Which addresses a sink may have. `allow_private`: those of private networks and loopback."""

    def __init__(self, *, allow_private: bool, resolve: Resolve | None = None) -> None:
        """`resolve`: asks for the addresses of a name, in place of the system."""
        self._networks = ANY if allow_private else PUBLIC
        self._allow_private = allow_private
        self._threads = ThreadPoolExecutor(LOOKUPS, thread_name_prefix="lookup")
        self._resolve = resolve or self._ask_the_system

    async def addresses(self, host: str, port: int) -> list[str]:
        """The addresses, in digits, that may be connected to. Raises `Failed`."""
        try:
            found = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or "it is no name"
            raise Failed(f"{host} has no address: {why}") from None
        every = list(dict.fromkeys(str(one[4][0]) for one in found))
        allowed = [address for address in every if self._networks.allows(address)]
        if not allowed:
            hint = "" if self._allow_private else " (allow_private of the sink)"
            raise Failed(f"{host} leads to {every[0]}, an address that is not allowed{hint}")
        return allowed[:MOST_ADDRESSES]

    async def _ask_the_system(self, host: str, port: int) -> list[Any]:
        """Raises OSError."""
        lookup = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        return await asyncio.get_running_loop().run_in_executor(self._threads, lookup)


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Checks certificates by the system's authorities, or those of a PEM file.

    Raises `UnusableFile`.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise UnusableFile(f"{ca_file} cannot be used: {error.strerror}") from None
