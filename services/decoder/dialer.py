"""The dialer: makes every connection of a source, to an address that was checked."""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import suppress

from hermes.v1.camera_pb2 import SOURCE_ERROR_NOT_FOUND, SOURCE_ERROR_REFUSED
from services.common.networks import Networks
from services.decoder.faults import SourceFault
from services.decoder.settings import DecoderSettings

MOST_ADDRESSES = 4
"""Addresses of one name that are tried, so that a name cannot hold a reader up."""

NO_SUCH_NAME = SourceFault(SOURCE_ERROR_NOT_FOUND, "there is no such host: it can be no name")


class Dialer:
    """Connects to hosts that the operator allows.

    A name is resolved once, each of its addresses is checked, and one of those that were checked
    is connected to: what the name means a moment later does not matter.
    """

    def __init__(self, networks: Networks, *, tls_verify: bool = True, ca_file: str = "") -> None:
        self._networks = networks
        self._tls_verify = tls_verify
        self._ca_file = ca_file
        self._context: ssl.SSLContext | None = None

    @classmethod
    def of(cls, settings: DecoderSettings) -> Dialer:
        """The dialer that a decoder's settings ask for."""
        return cls(settings.networks, tls_verify=settings.tls_verify, ca_file=settings.tls_ca_file)

    def resolve(self, host: str, port: int) -> list[tuple[socket.AddressFamily, tuple[str, int]]]:
        """The addresses of `host` that may be connected to, as `socket.connect` takes them.

        Raises `SourceFault` if there are some and none is allowed, or if it can be no name, and
        `socket.gaierror` if there are none.
        """
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except UnicodeError:  # a part of it is empty or too long for a name
            raise NO_SUCH_NAME from None
        allowed = [
            (family, address[:2] if family == socket.AF_INET else address)
            for family, _, _, _, address in found
            if self._networks.allows(str(address[0]))
        ]
        if not allowed:
            raise denied(str(found[0][4][0]))
        return allowed[:MOST_ADDRESSES]  # type: ignore[return-value]

    def dial(self, host: str, port: int, timeout_s: float) -> socket.socket:
        """A connection whose reads and writes wait up to `timeout_s`, as connecting does.

        Raises OSError, and `SourceFault` for an address that is not allowed.
        """
        until_s = time.monotonic() + timeout_s
        failure: OSError | None = None
        for family, address in self.resolve(host, port):
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                break
            connection = socket.socket(family, socket.SOCK_STREAM)
            try:
                connection.settimeout(left_s)
                connection.connect(address)
                connection.settimeout(timeout_s)
                with suppress(OSError):
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return connection
            except OSError as error:
                connection.close()
                failure = failure or error
        raise failure or TimeoutError("connecting took too long")

    def dial_tls(self, host: str, port: int, timeout_s: float) -> ssl.SSLSocket:
        """The same, encrypted. The certificate is checked for `host`, whatever its address."""
        connection = self.dial(host, port, timeout_s)
        try:
            return self._tls().wrap_socket(connection, server_hostname=host)
        except BaseException:
            connection.close()
            raise

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = ssl.create_default_context(cafile=self._ca_file or None)
            if not self._tls_verify:
                self._context.check_hostname = False
                self._context.verify_mode = ssl.CERT_NONE
        return self._context


def denied(address: str) -> SourceFault:
    """The fault of a source that leads to an address which is not allowed."""
    return SourceFault(
        SOURCE_ERROR_REFUSED,
        f"it leads to {address}, an address that is not allowed here (--networks-denied,"
        " --networks-allowed of the decoder)",
    )
