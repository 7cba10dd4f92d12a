"""Progress of what takes over two seconds: a spinner in a terminal, one plain line elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from hermes.client import HermesClient
from services.cli.connection import open_client
from services.cli.output import err

AFTER_S = 2.0
"""What is done by then needs no word."""


def redraws(console: Console) -> bool:
    """Whether the console can draw over what it has drawn."""
    return console.is_interactive and not console.is_dumb_terminal


def say(text: str, console: Console = err) -> None:
    """Say what is being done, in one line."""
    console.print(f"[dim]·[/] {escape(text)}", soft_wrap=True)


@contextmanager
def working(text: str, console: Console = err) -> Iterator[None]:
    """Say what is being done; in a terminal, show that it goes on, and for how long it has."""
    say(text, console)
    if not redraws(console):
        yield
        return
    with _spinner("", console):
        yield


@contextmanager
def waiting(
    text: str, console: Console = err, after_s: float = AFTER_S
) -> Iterator[Callable[[], None]]:
    """Say what is waited for, if it takes longer than `after_s`.

    Gives a function to call when the wait is over: nothing is shown from then
    on. It may be called more than once.
    """
    lock, over = threading.Lock(), threading.Event()
    shown: list[Progress] = []

    def show() -> None:
        with lock:
            if over.is_set():
                return
            if redraws(console):
                shown.append(_spinner(text, console))
                shown[0].start()
            else:
                say(text, console)

    def end() -> None:
        with lock:
            over.set()
            timer.cancel()
            while shown:
                shown.pop().stop()

    timer = threading.Timer(after_s, show)
    timer.daemon = True
    timer.start()
    try:
        yield end
    finally:
        end()


@contextmanager
def calling(gateway: str, token_file: Path | None) -> Iterator[HermesClient]:
    """A client for one call. Print its result afterwards: while it waits, it may say so."""
    with open_client(gateway, token_file) as client, waiting(f"waiting for the gateway, {gateway}"):
        yield client


def _spinner(text: str, console: Console) -> Progress:
    progress = Progress(
        SpinnerColumn(),
        TextColumn("[dim]{task.description}[/]"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
    progress.add_task(escape(text), total=None)
    return progress
