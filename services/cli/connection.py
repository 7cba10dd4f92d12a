"""How a command reaches the gateway: its address, and the token that it sends."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from hermes.client import HermesClient
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
        help=f"File that holds the token to send; otherwise {TOKEN_VARIABLE} does, if it is set.",
    ),
]
# A token on the command line could be read by everybody on the machine.


def open_client(gateway: str, token_file: Path | None = None) -> HermesClient:
    """A client with the token of the file or the environment. Raises `InvalidInput`."""
    if token_file is None:
        return HermesClient(gateway, token=os.environ.get(TOKEN_VARIABLE) or None)
    try:
        token = token_file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise InvalidInput("--token-file", f"{token_file} cannot be read as a token") from None
    return HermesClient(gateway, token=token)
