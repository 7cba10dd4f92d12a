"""A prompt for more questions, in a terminal. It keeps the turns of a conversation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from rich.markup import escape

from hermes.client import Answer, AnswerStream, HermesClient, Turn
from hermes.errors import HermesError
from services.cli.answer_output import print_answer
from services.cli.conversation import Conversations
from services.cli.output import err, out, print_cameras

HELP = (
    "CAMERA QUESTION asks; `list` shows the cameras; `clear` forgets earlier turns;"
    " an empty line ends."
)
HELP_ONE = "A line asks; `clear` forgets the earlier turns; an empty line ends."


Judge = Callable[[str, str, Answer], None]
"""Called with camera, question and answer."""


class Asks(Protocol):
    """Asks one camera."""

    def __call__(self, question: str, *, turns: Sequence[Turn]) -> AnswerStream:
        """Begin to ask."""
        ...


def ask_more(client: HermesClient, names: Sequence[str], *, judge: Judge, example: str) -> None:
    """Read questions about any camera until an empty line, end of input or Ctrl-C."""
    out.print(f"\n[bold]Ask more.[/] {HELP}\n[dim]e.g. {names[0]} {example}[/]")
    conversations = Conversations()

    def answer(line: str) -> None:
        camera, _, question = line.partition(" ")
        if line == "list":
            print_cameras(client.list_cameras())
        elif not question.strip():
            out.print(HELP)
        else:
            stream = client.ask(camera, question, turns=conversations.turns(camera))
            answer = print_answer(stream)
            conversations.add(camera, question, answer.text)
            judge(camera, question, answer)

    _read(answer, conversations)


def converse(
    camera: str, first: str | None, ask: Asks, show: Callable[[AnswerStream], Answer]
) -> None:
    """Read questions about one camera until an empty line, end of input or Ctrl-C.

    `first`: a question that was given already.
    """
    out.print(f"[bold]{camera}[/]  [dim]{HELP_ONE}[/]")
    conversations = Conversations()

    def answer(question: str) -> None:
        shown = show(ask(question, turns=conversations.turns(camera)))
        conversations.add(camera, question, shown.text)

    _read(answer, conversations, first)


def _read(
    answer: Callable[[str], None], conversations: Conversations, first: str | None = None
) -> None:
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
            if line == "clear":
                count = conversations.clear()
                out.print(f"[dim]{count} earlier turn{'' if count == 1 else 's'} forgotten[/]")
            else:
                answer(line)
        except HermesError as error:
            err.print(f"[red]{escape(str(error))}[/]")
        except KeyboardInterrupt:
            out.print("\n[dim]stopped[/]")
        line = None
