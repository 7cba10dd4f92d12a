"""A prompt for more questions, in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape

from hermes.client import HermesClient
from hermes.errors import HermesError
from services.cli.ask import print_answer
from services.cli.output import camera_table, err, out

HELP = "CAMERA QUESTION asks; `list` shows the cameras; an empty line ends."


def ask_more(client: HermesClient, names: Sequence[str], max_tokens: int = 0) -> None:
    """Read questions until an empty line, end of input or Ctrl-C."""
    out.print(f"\n[bold]Ask more.[/] {HELP}\n[dim]e.g. {names[0]} What is there now?[/]")
    while True:
        try:
            line = out.input("[bold green]>[/] ").strip()
        except (EOFError, KeyboardInterrupt):
            out.print()
            return
        if not line or line in ("exit", "quit"):
            return
        try:
            _answer(client, line, max_tokens)
        except HermesError as error:
            err.print(f"[red]{escape(str(error))}[/]")
        except KeyboardInterrupt:
            out.print("\n[dim]stopped[/]")


def _answer(client: HermesClient, line: str, max_tokens: int) -> None:
    if line == "list":
        out.print(camera_table(client.list_cameras()))
        return
    camera, _, question = line.partition(" ")
    if not question.strip():
        out.print(HELP)
        return
    print_answer(client.ask(camera, question, max_tokens=max_tokens))
