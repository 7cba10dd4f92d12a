"""`hermes`: the command line."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import typer

from hermes.errors import HermesError
from services.cli import (
    ask,
    cameras,
    connection,
    demo,
    evaluate,
    events,
    evidence,
    mcp,
    memory,
    model,
    notifier,
    token,
    up,
    watches,
)
from services.cli.local_times import in_local_time
from services.cli.output import fail
from services.cli.processes import StartFailed
from services.cli.redis_server import NoRedis
from services.cli.state_folder import StateUnusable

app = typer.Typer(
    name="hermes",
    help="Many cameras, one question away.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.callback()(connection.options)
app.command("demo")(demo.demo)
app.command("up")(up.up)
app.command("ask")(ask.ask)
app.command("evidence")(evidence.evidence)
app.command("token")(token.token)
app.command("mcp")(mcp.mcp)
app.add_typer(cameras.app, name="camera")
app.add_typer(watches.app, name="watch")
app.add_typer(events.app, name="events")
app.add_typer(memory.app, name="memory")
app.add_typer(model.app, name="model")
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(notifier.app, name="notifier")


def main() -> None:
    """Run a command. An expected error is printed as one line; 130 after Ctrl-C."""
    try:
        app()
    except (HermesError, StartFailed, NoRedis, StateUnusable) as error:
        fail(in_local_time(str(error), datetime.now(UTC)))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
