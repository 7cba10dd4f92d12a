"""Rows of columns, aligned: folded to the terminal, or as whole lines where there is none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from services.cli.camera_table import SPACE, width_of

LEAST_LAST = 24
"""If less room than this is left for the last column, it goes below its row."""


def print_rows(
    console: Console,
    heading: Sequence[str],
    rows: Sequence[Sequence[str]],
    styles: dict[str, str] | None = None,
) -> None:
    """Print rows below a bold heading. The last column is free text. `styles`: of a cell's text."""
    cells = [[_one_line(cell) for cell in row] for row in rows]
    widths = [max(cell_len(row[at]) for row in [heading, *cells]) for at in range(len(heading) - 1)]
    taken = sum(width + len(SPACE) for width in widths)
    room = width_of(console) if console.is_terminal else None
    below = room is not None and room - taken < LEAST_LAST
    for number, row in enumerate([heading, *cells]):
        style = "bold" if number == 0 else ""
        line = Text(style=style)
        for width, cell in zip(widths, row, strict=False):
            line.append(cell, (styles or {}).get(cell, ""))
            line.append(" " * (width - cell_len(cell)) + SPACE)
        for text in _with_last(line, row[-1], taken, room, below, console):
            text.rstrip()
            console.print(text, soft_wrap=True)


def _with_last(
    line: Text, last: str, taken: int, room: int | None, below: bool, console: Console
) -> Iterator[Text]:
    if room is None:
        yield line.append(last)
        return
    indent = len(SPACE) if below else taken
    folded = [part.plain.rstrip() for part in Text(last).wrap(console, max(1, room - indent))]
    if not below and folded:
        line.append(folded.pop(0))
    yield line
    for part in folded:
        if part:
            yield Text(" " * indent + part)


def _one_line(text: str) -> str:
    """Without line breaks and without characters that could steer a terminal."""
    return "".join(char for char in " ".join(text.split()) if char.isprintable())
