"""How a command reaches the gateway: its address, TLS, and the token that it sends.

Options of TLS are those of `hermes` itself, and go before the command.
"""

from __future__ import annotations

import os
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated

import typer

from hermes import __version__
from hermes.client import HermesClient, Tls
from hermes.client.requests import CALL_TIMEOUT_S
from hermes.errors import InvalidInput

DEFAULT_GATEWAY = "127.0.0.1:50051"
TOKEN_VARIABLE = "HERMES_TOKEN"  # noqa: S105 - the name of one

Gateway = Annotated[
    str,
    typer.Option(
        "--gateway", "-g", envvar="HERMES_GATEWAY", help="Address of the gateway, host:port."
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        dir_okay=False,
        help=f"File that holds the token to send; by default the variable {TOKEN_VARIABLE} does.",
    ),
]
# Every user of the machine could read a token on the command line.


_tls: ContextVar[Tls | None] = ContextVar("tls", default=None)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"hermes {__version__}")
        raise typer.Exit


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
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Many cameras, one question away."""
    given = ca_file or cert_file or key_file or server_name
    _tls.set(Tls(ca_file, cert_file, key_file, server_name) if given else None)


def open_client(
    gateway: str, token_file: Path | None = None, *, timeout: float = CALL_TIMEOUT_S
) -> HermesClient:
    """A client with the token of the file or the environment. Raises `InvalidInput`."""
    tls, token = access(token_file)
    return HermesClient(gateway, tls=tls, token=token, timeout=timeout)


def access(token_file: Path | None = None) -> tuple[Tls | None, str | None]:
    """TLS as the options of `hermes` say it, and the token of the file or the environment.

    Raises `InvalidInput`.
    """
    if token_file is None:
        return _tls.get(), os.environ.get(TOKEN_VARIABLE) or None
    try:
        return _tls.get(), token_file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise InvalidInput("--token-file", f"{token_file} cannot be read as a token") from None
