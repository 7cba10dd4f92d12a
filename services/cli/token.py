"""`hermes token`: a new token for the gateway's file of tokens."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from hermes.errors import InvalidInput
from services.cli.output import err

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
"""`float` takes more: nan, 1e999, 1_000."""


def token(
    name: Annotated[str, typer.Argument(help="Name of its owner, for the audit log and limits.")],
    scope: Annotated[
        list[str],
        typer.Option("--scope", "-s", help="Repeatable: ask:lobby, read:dock-*, admin:* ..."),
    ],
    days: Annotated[
        int, typer.Option(min=0, max=3650, help="Days until it expires; 0: never.")
    ] = 0,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            "--limit",
            help="Repeatable: cameras=50, watches=20, followers=4, cameras_asked=16, span_s=3600;"
            " 0 lifts the gateway's own.",
        ),
    ] = None,
) -> None:
    """Make a token. It is shown only now; put the line with its hash in the gateway's file."""
    # Not at the top: `hermes up` and the others carry nothing of the gateway.
    from services.query_gateway.access.token_file import new_token

    expires = datetime.now(UTC) + timedelta(days=days) if days else None
    made, line = new_token(name, scope, expires, _limits(limit or []))
    err.print("[dim]The token, for the caller (it is stored nowhere):[/]")
    print(made, flush=True)
    err.print("[dim]The line for the file that HERMES_TOKENS_FILE names:[/]")
    print(line)


def _limits(given: list[str]) -> dict[str, float]:
    """Limits as they are typed. Raises `InvalidInput`."""
    from services.query_gateway.access.token_limits import TokenLimits

    known = TokenLimits.model_fields
    found: dict[str, float] = {}
    for text in given:
        name, equals, number = (part.strip() for part in text.partition("="))
        if not equals or not name or not _NUMBER.fullmatch(number):
            raise InvalidInput("--limit", f"{text!r} is not NAME=NUMBER, e.g. cameras=50")
        if name not in known:
            raise InvalidInput("--limit", f"{name!r} is no limit; known: {', '.join(known)}")
        if name in found:
            raise InvalidInput("--limit", f"{name} is given twice")
        value = float(number)
        if value < 0:
            raise InvalidInput("--limit", f"{text!r}: must be 0 or more")
        found[name] = int(value) if value.is_integer() else value
        try:
            TokenLimits.parse({name: found[name]})
        except ValueError:  # of a fraction, as all else was checked
            raise InvalidInput("--limit", f"{text!r}: must be whole") from None
    return found
