"""A prompt for more questions, in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.markup import escape

from hermes.client import Answer, HermesClient
from hermes.errors import HermesError
from services.cli.ask import print_answer
from services.cli.output import err, out, print_cameras

HELP = "CAMERA QUESTION asks; `list` shows the cameras; an empty line ends."


Judge = Callable[[str, str, Answer], None]
"""Called with camera, question and answer."""


def ask_more(client: HermesClient, names: Sequence[str], *, judge: Judge, example: str) -> None:
    """Read questions until an empty line, end of input or Ctrl-C."""
    out.print(f"\n[bold]Ask more.[/] {HELP}\n[dim]e.g. {names[0]} {example}[/]")
    while True:
        try:
            line = out.input("[bold green]>[/] ").strip()
        except (EOFError, KeyboardInterrupt):
            out.print()
            return
        if not line or line in ("exit", "quit"):
            return
        try:
            _answer(client, line, judge)
        except HermesError as error:
            err.print(f"[red]{escape(str(error))}[/]")
        except KeyboardInterrupt:
            out.print("\n[dim]stopped[/]")


def _answer(client: HermesClient, line: str, judge: Judge) -> None:
    if line == "list":
        print_cameras(client.list_cameras())
        return
    camera, _, question = line.partition(" ")
    if not question.strip():
        out.print(HELP)
        return
    judge(camera, question, print_answer(client.ask(camera, question)))
