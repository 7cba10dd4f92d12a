"""Progress is a spinner in a terminal, one line elsewhere, and nothing for what is quick."""

from __future__ import annotations

import io
import threading

import pytest
from rich.console import Console

from services.cli.progress import redraws, waiting, working


def console(*, terminal: bool, term: str = "xterm", **environ: str) -> Console:
    given = {"TERM": term, **environ}
    return Console(file=io.StringIO(), force_terminal=terminal, width=80, _environ=given)


def shown(on: Console) -> str:
    assert isinstance(on.file, io.StringIO)
    return on.file.getvalue()


def wait_for(on: Console, text: str) -> None:
    for _ in range(400):
        if text in shown(on):
            return
        threading.Event().wait(0.01)
    pytest.fail(shown(on))


def test_a_pipe_has_one_line_for_each_step() -> None:
    pipe = console(terminal=False)
    with working("loading the model", pipe):
        pass
    with waiting("waiting for the answer", pipe, after_s=0.0) as over:
        wait_for(pipe, "answer")
        over()
        over()
    assert shown(pipe) == "· loading the model\n· waiting for the answer\n"


def test_a_dumb_terminal_has_lines_without_control_characters() -> None:
    dumb = console(terminal=True, term="dumb")
    assert not redraws(dumb)
    with working("loading the model", dumb):
        pass
    assert shown(dumb) == "· loading the model\n"


def test_colours_without_a_terminal_are_lines_that_stay() -> None:
    """As the README's picture is drawn: what a terminal draws over would all stay in it."""
    coloured = console(terminal=True, TTY_INTERACTIVE="0")
    assert not redraws(coloured)
    with working("loading the model", coloured):
        pass
    assert shown(coloured).count("\n") == 1
    assert "loading the model" in shown(coloured)


def test_a_terminal_shows_that_it_goes_on_and_cleans_up() -> None:
    terminal = console(terminal=True)
    with waiting("waiting for the answer", terminal, after_s=0.0) as over:
        wait_for(terminal, "waiting")
        over()
        before = shown(terminal)
    assert shown(terminal) == before
    assert before.endswith("\x1b[2K")  # the line is cleared


def test_what_is_quick_needs_no_word() -> None:
    pipe = console(terminal=False)
    with waiting("waiting for the answer", pipe, after_s=60.0):
        pass
    assert shown(pipe) == ""


def test_an_error_ends_the_wait() -> None:
    terminal = console(terminal=True)

    def fails() -> None:
        with waiting("waiting", terminal, after_s=0.0):
            wait_for(terminal, "waiting")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fails()
    assert shown(terminal).endswith("\x1b[2K")
