"""TLS of our own gRPC servers: certificates from files, reloaded when they change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import Field, model_validator

from services.common import logs
from services.common.files import UnusableFile, read_file
from services.common.settings import ProcessSettings

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class ServerTls:
    """A server's side of TLS, as PEM files.

    With `client_ca_file` only clients with a certificate of these authorities are
    accepted (mutual TLS).
    """

    cert_file: Path
    key_file: Path
    client_ca_file: Path | None = None

    def credentials(self) -> grpc.ServerCredentials:
        """Credentials of a server. The files are checked for changes before every handshake.

        Raises `UnusableFile`. If files become unusable later, that is logged and the
        last usable ones stay in use.
        """
        certificate = _Certificate(self)
        first = certificate.changed()
        return grpc.dynamic_ssl_server_credentials(
            first,
            certificate.changed_or_none,
            require_client_authentication=self.client_ca_file is not None,
        )


class _Certificate:
    def __init__(self, files: ServerTls) -> None:
        self._files = files
        self._held: tuple[bytes, bytes, bytes | None] | None = None
        self._unusable = ""

    def changed(self) -> Any:
        """A new configuration if the files have changed, else None."""
        files, ca = self._files, None
        cert, key = read_file(files.cert_file), read_file(files.key_file)
        if files.client_ca_file is not None:
            ca = read_file(files.client_ca_file)
        if (cert, key, ca) == self._held:
            return None
        check_pair(cert, key, files.cert_file, files.key_file)
        if ca is not None and files.client_ca_file is not None:
            parse_certificates(ca, files.client_ca_file)
        self._held = (cert, key, ca)
        return grpc.ssl_server_certificate_configuration([(key, cert)], ca)

    def changed_or_none(self) -> Any:
        """As `changed`, but never raises. gRPC calls it on its own thread."""
        try:
            found = self.changed()
        except UnusableFile as error:
            # Half written, or wrong. Log it once, not for every connection.
            if str(error) != self._unusable:
                log.error("certificate_not_reloaded", error=str(error))
            self._unusable = str(error)
            return None
        self._unusable = ""
        return found


def parse_certificates(pem: bytes, path: Path) -> list[x509.Certificate]:
    """The certificates in a PEM file, at least one. Raises `UnusableFile`."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise UnusableFile(f"{path} holds no certificate in PEM") from None


def check_pair(cert: bytes, key: bytes, cert_file: Path, key_file: Path) -> None:
    """Check that a certificate chain and a key match. Raises `UnusableFile`.

    Logs the time until which the certificate is valid.
    """
    first = parse_certificates(cert, cert_file)[0]
    try:
        private = load_pem_private_key(key, password=None)
    except (ValueError, TypeError):  # TypeError: it is encrypted
        raise UnusableFile(f"{key_file} holds no key in PEM without a passphrase") from None
    if private.public_key() != first.public_key():
        raise UnusableFile(f"{key_file} is not the key of the certificate in {cert_file}")
    until = first.not_valid_after_utc
    write = log.info if until > datetime.now(UTC) else log.error
    event = "certificate_loaded" if until > datetime.now(UTC) else "certificate_expired"
    write(event, file=str(cert_file), valid_until=until.isoformat())


class TlsServerSettings(ProcessSettings):
    """Settings of services that serve others, over TLS if a certificate is given."""

    tls_cert_file: Path | None = Field(
        None, description="PEM file of the server's certificate and its chain; unset: plain text"
    )
    tls_key_file: Path | None = Field(None, description="PEM file of its key, without a passphrase")
    tls_client_ca_file: Path | None = Field(
        None,
        description="PEM file of authorities; only clients with a certificate of theirs may connect"
        " (mutual TLS)",
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        given = [self.tls_cert_file, self.tls_key_file, self.tls_client_ca_file]
        if any(given) and not (self.tls_cert_file and self.tls_key_file):
            missing = "cert" if self.tls_cert_file is None else "key"
            raise ValueError(
                f"--tls-{missing}-file is missing: TLS needs a certificate and its key"
            )
        return self

    @property
    def server_tls(self) -> ServerTls | None:
        """TLS of the port; None: plain text."""
        if self.tls_cert_file is None or self.tls_key_file is None:
            return None
        return ServerTls(self.tls_cert_file, self.tls_key_file, self.tls_client_ca_file)
