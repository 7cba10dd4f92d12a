"""`hermes notifier`: messages that the notifier gave up, for the operator of Redis."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.output import fail, out, print_lines

if TYPE_CHECKING:
    from redis import Redis

    from services.notifier.dead_letters import DeadLetter

app = typer.Typer(no_args_is_help=True, help="What the notifier sends to its sinks.")
dead_letters = typer.Typer(no_args_is_help=True, help="Messages that were given up.")
app.add_typer(dead_letters, name="dead-letters")

RedisUrl = Annotated[
    str, typer.Option(envvar="HERMES_REDIS_URL", help="The Redis of the notifier.")
]
Username = Annotated[
    str, typer.Option(envvar="HERMES_REDIS_USERNAME", help="User name for Redis; unset: the URL's.")
]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        envvar="HERMES_REDIS_PASSWORD_FILE",
        help="File that holds the password for Redis; unset: the URL's.",
    ),
]
CaFile = Annotated[
    Path | None,
    typer.Option(
        envvar="HERMES_REDIS_TLS_CA_FILE",
        help="PEM file of an authority to trust, for rediss://.",
    ),
]
LOCAL = "redis://127.0.0.1:6379/0"


@dead_letters.command("list")
def list_(
    sink: Annotated[str | None, typer.Argument(help="Name of a sink; unset: all of them.")] = None,
    redis_url: RedisUrl = LOCAL,
    redis_username: Username = "",
    redis_password_file: PasswordFile = None,
    redis_tls_ca_file: CaFile = None,
) -> None:
    """Show the messages that were given up, and why."""
    from services.notifier.dead_letters import DeadLetters, sinks_with_dead_letters

    with _redis(redis_url, redis_username, redis_password_file, redis_tls_ca_file) as client:
        names = [sink] if sink else sinks_with_dead_letters(client)
        found = {name: DeadLetters(client, name).all() for name in names}
    if not any(found.values()):
        out.print("there are none")
        return
    print_lines(_line(name, letter) for name in found for letter in found[name])


@dead_letters.command()
def resend(
    sink: Annotated[str, typer.Argument(help="Name of the sink.")],
    ids: Annotated[
        list[str] | None,
        typer.Argument(help="The first column of the list; unset: all of the sink."),
    ] = None,
    redis_url: RedisUrl = LOCAL,
    redis_username: Username = "",
    redis_password_file: PasswordFile = None,
    redis_tls_ca_file: CaFile = None,
) -> None:
    """Have messages sent again. They stay what they were: receivers know them by their id."""
    from services.notifier.dead_letters import DeadLetters

    with _redis(redis_url, redis_username, redis_password_file, redis_tls_ca_file) as client:
        letters = DeadLetters(client, sink)
        known = [letter.position for letter in letters.all()]
        if unknown := set(ids or ()) - set(known):
            fail(f"sink {sink} has no dead letter {', '.join(sorted(unknown))}")
        count = letters.resend(ids or known)
    out.print(f"{count} to be sent again")


@contextmanager
def _redis(
    url: str, username: str, password_file: Path | None, ca_file: Path | None
) -> Iterator[Redis]:
    """A client for one command. What goes wrong with Redis ends the command in one line."""
    import redis

    from services.common.connection import RedisAccess, connect
    from services.common.files import UnusableFile
    from services.common.redaction import redact

    try:
        client = connect(url, access=RedisAccess(username, password_file, ca_file))
        try:
            yield client
        finally:
            client.close()
    except (redis.RedisError, UnusableFile, ValueError) as error:
        fail(f"Redis: {redact(str(error))}")


def _line(sink: str, letter: DeadLetter) -> str:
    given_up = datetime.fromtimestamp(letter.given_up_ms / 1000, UTC)
    return (
        f"{letter.position}  {sink}  {given_up:%Y-%m-%dT%H:%M:%SZ}  {letter.watch} on"
        f" {letter.camera}: {letter.type} {letter.event_id}  {letter.why}"
    )
