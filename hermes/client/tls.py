"""A client's side of TLS: the authorities to trust, and a certificate to show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import grpc

from hermes.errors import InvalidInput


class Material(NamedTuple):
    """The contents of the files, as PEM."""

    ca: bytes | None
    cert: bytes | None
    key: bytes | None

    def credentials(self) -> grpc.ChannelCredentials:
        """Credentials for a channel."""
        return grpc.ssl_channel_credentials(self.ca, self.key, self.cert)


@dataclass(frozen=True, slots=True)
class Tls:
    """A client's side of TLS, as PEM files.

    `ca_file`: the authorities to trust; None: the public ones that gRPC knows.
    `cert_file`, `key_file`: for a server that asks for a certificate. `server_name`:
    the name that the server's certificate must have, if it is not the host of
    the address. Raises `InvalidInput` if half of a pair is given, or what is no name.
    """

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    server_name: str = ""

    def __post_init__(self) -> None:
        if (self.cert_file is None) != (self.key_file is None):
            missing = "cert_file" if self.cert_file is None else "key_file"
            raise InvalidInput(
                f"tls.{missing}", "is missing: a certificate and its key go together"
            )
        if not (self.server_name.isascii() and self.server_name.isprintable()):
            raise InvalidInput("tls.server_name", "holds characters that no host name has")

    def read(self) -> Material:
        """Read the files. Raises `InvalidInput` with the name of an unreadable one."""
        return Material(
            _read("tls.ca_file", self.ca_file),
            _read("tls.cert_file", self.cert_file),
            _read("tls.key_file", self.key_file),
        )

    @property
    def options(self) -> list[tuple[str, str]]:
        """Options of a channel that go with the credentials."""
        if not self.server_name:
            return []
        return [("grpc.ssl_target_name_override", self.server_name)]


def _read(field: str, path: Path | None) -> bytes | None:
    try:
        return None if path is None else path.read_bytes()
    except OSError as error:
        raise InvalidInput(field, f"{path} cannot be read: {error.strerror}") from None
