"""How commands reach a gateway: options of `hermes` itself, which go before the command."""

from __future__ import annotations

from contextvars import ContextVar
from pathlib import Path
from typing import Annotated

import typer

from hermes.client import HermesClient, Tls

_tls: ContextVar[Tls | None] = ContextVar("tls", default=None)


def options(
    ca_file: Annotated[
        Path | None,
        typer.Option(
            envvar="HERMES_GATEWAY_CA_FILE",
            help="Speak TLS, and trust the authorities in this PEM file.",
        ),
    ] = None,
    cert_file: Annotated[
        Path | None,
        typer.Option(
            envvar="HERMES_GATEWAY_CERT_FILE",
            help="Certificate to show to a gateway that asks for one.",
        ),
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(envvar="HERMES_GATEWAY_KEY_FILE", help="Its key.")
    ] = None,
    server_name: Annotated[
        str,
        typer.Option(
            envvar="HERMES_GATEWAY_NAME",
            help="Name in the gateway's certificate, if it is not the host of its address.",
        ),
    ] = "",
) -> None:
    """Many cameras, one question away."""
    given = ca_file or cert_file or key_file or server_name
    _tls.set(Tls(ca_file, cert_file, key_file, server_name) if given else None)


def connect(address: str) -> HermesClient:
    """A client of the gateway there. Raises `InvalidInput` if a file cannot be read."""
    return HermesClient(address, tls=_tls.get())
