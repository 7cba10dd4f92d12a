"""Mutual TLS to workers: the gateway's certificate and the authorities it trusts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import grpc.aio

from hermes.client.tls import Material, Tls
from hermes.errors import InvalidInput
from services.common import logs
from services.common.files import UnusableFile
from services.common.tls import check_pair, parse_certificates
from services.query_gateway.channels import OPTIONS

log = logs.get(__name__)

LOOK_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class _Usable:
    material: Material
    credentials: grpc.ChannelCredentials


class WorkerTls:
    """Channels to workers under mutual TLS."""

    def __init__(self, tls: Tls) -> None:
        """Read the files. Raises `UnusableFile`."""
        self._tls = tls
        self._usable = self._check(self._read())
        self._unusable = ""

    def connect(self, address: str) -> grpc.aio.Channel:
        """A channel to a worker. Connects when first used."""
        options = [*OPTIONS, *self._tls.options]
        return grpc.aio.secure_channel(address, self._usable.credentials, options=options)

    async def reread(self, renewed: Callable[[], None]) -> None:
        """Read the files again if they changed. To be awaited every `LOOK_EVERY_S`.

        `renewed` is called after a change: channels made before it are out of date.
        """
        try:
            found = self._read()
            if found == self._usable.material:
                return
            self._usable = self._check(found)
        except UnusableFile as error:
            if str(error) != self._unusable:  # log it once, not in every round
                log.error("certificate_not_reloaded", error=str(error))
            self._unusable = str(error)
            return
        self._unusable = ""
        renewed()

    def _read(self) -> Material:
        try:
            return self._tls.read()
        except InvalidInput as error:
            raise UnusableFile(error.message) from None

    def _check(self, material: Material) -> _Usable:
        ca_file, cert_file, key_file = self._tls.ca_file, self._tls.cert_file, self._tls.key_file
        if material.ca is not None and ca_file is not None:
            parse_certificates(material.ca, ca_file)
        if material.cert and material.key and cert_file and key_file:
            check_pair(material.cert, material.key, cert_file, key_file)
        return _Usable(material, material.credentials())
