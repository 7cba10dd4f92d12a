"""TLS of the HTTP port: certificates from files, reloaded when they change."""

from __future__ import annotations

import ssl
from typing import Any

from services.common import logs
from services.common.files import UnusableFile, read_file
from services.common.tls import ServerTls, check_pair, parse_certificates

log = logs.get(__name__)


class ServerContexts:
    """The context of each handshake. The files are checked for changes before every one."""

    def __init__(self, files: ServerTls) -> None:
        """Raises `UnusableFile`."""
        self._files = files
        self._held: tuple[bytes, ...] = ()
        self._unusable = ""
        self._newest = self._made()
        self.first = self._newest
        """Give it to the server. It takes the newest certificate by itself."""
        self.first.sni_callback = self._choose

    def _choose(self, handshake: Any, name: str | None, context: ssl.SSLContext) -> None:
        # OpenSSL calls this in every handshake, whether the client names a host or not.
        try:
            if self._contents() != self._held:
                self._newest = self._made()
            self._unusable = ""
        except UnusableFile as error:
            # Half written, or wrong. Log it once, not for every connection.
            if str(error) != self._unusable:
                log.error("certificate_not_reloaded", error=str(error))
            self._unusable = str(error)
        if self._newest is not context:
            handshake.context = self._newest

    def _contents(self) -> tuple[bytes, ...]:
        files = (self._files.cert_file, self._files.key_file, self._files.client_ca_file)
        return tuple(read_file(path) for path in files if path is not None)

    def _made(self) -> ssl.SSLContext:
        files, held = self._files, self._contents()
        check_pair(held[0], held[1], files.cert_file, files.key_file)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(files.cert_file, files.key_file)
        except (OSError, ssl.SSLError):  # exchanged between the two readings
            raise UnusableFile(f"{files.cert_file} and {files.key_file} do not match") from None
        if files.client_ca_file is not None:
            parse_certificates(held[2], files.client_ca_file)
            context.load_verify_locations(cadata=held[2].decode("ascii", "replace"))
            context.verify_mode = ssl.CERT_REQUIRED
        self._held = held
        return context
