"""Prompts for more questions, in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from rich.markup import escape

from hermes.client import Answer, AnswerStream, HermesClient, Turn
from hermes.errors import HermesError
from services.cli.answer_output import print_answer
from services.cli.conversation import Conversation
from services.cli.local_times import in_local_time
from services.cli.output import err, out, print_cameras

HELP = "CAMERA QUESTION asks; `list` shows the cameras; an empty line ends."
HELP_ONE = "A line asks; `clear` forgets the earlier turns; an empty line ends."


Judge = Callable[[str, str, Answer], None]
"""Called with camera, question and answer."""


class Asks(Protocol):
    """Asks one camera."""

    def __call__(self, *, question: str, turns: Sequence[Turn]) -> AnswerStream:
        """Begin to ask."""
        ...


def ask_more(client: HermesClient, names: Sequence[str], *, judge: Judge, example: str) -> None:
    """Read questions about any camera until an empty line, end of input or Ctrl-C.

    Each stands alone: the demo's model was trained on single questions.
    """
    out.print(f"\n[bold]Ask more.[/] {HELP}\n[dim]e.g. {names[0]} {example}[/]")

    def answer(line: str) -> None:
        camera, _, question = line.partition(" ")
        if line == "list":
            print_cameras(client.list_cameras())
        elif not question.strip():
            out.print(HELP)
        else:
            judge(camera, question, print_answer(client.ask(camera, question)))

    _read(answer)


def converse(
    camera: str, first: str | None, ask: Asks, show: Callable[[AnswerStream], Answer]
) -> None:
    """Read questions about one camera until an empty line, end of input or Ctrl-C.

    Each is sent with the turns before it. `first`: a question that was given already.
    """
    out.print(f"[bold]{escape(camera)}[/]  [dim]{HELP_ONE}[/]")
    conversation = Conversation()

    def answer(question: str) -> None:
        if question == "clear":
            count = conversation.clear()
            out.print(f"[dim]{count} earlier turn{'' if count == 1 else 's'} forgotten[/]")
            return
        shown = show(ask(question=question, turns=conversation.turns))
        conversation.add(question, shown.text)

    _read(answer, first)


def _read(answer: Callable[[str], None], first: str | None = None) -> None:
    """Answer lines one after the other. An error or Ctrl-C ends that answer alone."""
    line = first
    while True:
        try:
            line = (out.input("[bold green]>[/] ") if line is None else line).strip()
        except (EOFError, KeyboardInterrupt):
            out.print()
            return
        if not line or line in ("exit", "quit"):
            return
        try:
            answer(line)
        except HermesError as error:
            err.print(f"[red]{escape(in_local_time(str(error), datetime.now(UTC)))}[/]")
        except KeyboardInterrupt:
            out.print("\n[dim]stopped[/]")
        line = None
