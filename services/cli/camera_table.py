"""Cameras as a table that fits the terminal, or as whole lines where there is no terminal."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from hermes.client import Camera
from hermes.labels import labels_text
from services.cli.figures import human_bytes, milliseconds
from services.common.redaction import redact

SPACE = "  "
LEAST_NOTE = 24  # a narrower note is put on lines of its own, below its camera

MOST_OF_ID = 0.4  # of the terminal's width; a longer id has a line of its own

_STATE_STYLE = {
    "online": "green",
    "serving": "green",
    "ended": "cyan",
    "connecting": "yellow",
    "replaying": "yellow",
    "empty": "yellow",
    "pending": "yellow",
    "offline": "red",
    "failed": "red",
}


@dataclass(frozen=True, slots=True)
class _Column:
    """`worth`: the columns of least worth are dropped first where the terminal is narrow."""

    name: str
    text: Callable[[Camera], str]
    worth: int
    right: bool = False
    wide_only: bool = False


def _rate(camera: Camera) -> str:
    rate = camera.source.frames_per_second
    return f"{rate:.1f}" if rate else "-"


def _lag(camera: Camera) -> str:
    return milliseconds(camera.memory.lag_s) if camera.memory.frames else "-"


def _last_frame(camera: Camera) -> str:
    last = camera.source.last_frame
    return "-" if last is None else f"{last.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


_ALWAYS = 100
_COLUMNS = (
    _Column("camera", lambda camera: camera.id, _ALWAYS),
    _Column("source", lambda camera: camera.source.state, 8),
    _Column("memory", lambda camera: camera.memory.state, 7),
    _Column("fps", _rate, 3, right=True),
    _Column("frames", lambda camera: str(camera.memory.frames), 6, right=True),
    _Column("tokens", lambda camera: str(camera.memory.tokens), 1, right=True),
    _Column("KV cache", lambda camera: human_bytes(camera.memory.bytes), 2, right=True),
    _Column("lag", _lag, 5, right=True),
    _Column("url", lambda camera: redact(camera.url), 0, wide_only=True),
    _Column("worker", lambda camera: camera.memory.worker, 0, wide_only=True),
    _Column("epoch", lambda camera: str(camera.memory.epoch), 0, right=True, wide_only=True),
    _Column("decoder", lambda camera: camera.source.decoder, 0, wide_only=True),
    _Column("last frame", _last_frame, 0, wide_only=True),
    _Column("reconnects", lambda camera: str(camera.source.reconnects), 0, True, True),
    _Column("labels", lambda camera: labels_text(camera.labels), 0, wide_only=True),
    _Column("display name", lambda camera: camera.display_name, 0, wide_only=True),
)


class CameraTable:
    """One row a camera.

    In a terminal the table is as wide as the terminal: columns of less worth are
    dropped, notes are folded, and ids stay whole. Elsewhere, and with `wide`, no
    column is dropped and each camera is one line, however long. `style` is that
    of the whole table.
    """

    def __init__(self, cameras: Sequence[Camera], *, wide: bool = False) -> None:
        self._columns = [column for column in _COLUMNS if wide or not column.wide_only]
        self._wide = wide
        self.style = ""
        self._rows = [[_one_line(column.text(c)) or "-" for column in _COLUMNS] for c in cameras]
        self._notes = [_note(camera) for camera in cameras]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The lines, for `console.print` and for `Live`."""
        fits = console.is_terminal and not self._wide
        width = min(options.max_width, width_of(console)) if fits else None
        for line in self._lines(console, width):
            line.style = self.style
            yield line

    def _lines(self, console: Console, width: int | None) -> Iterator[Text]:
        columns = [(column, self._width(column)) for column in self._columns]
        note_below = False
        if width is not None:
            columns, note_below = self._fitted(columns, width)
        taken = sum(cells + len(SPACE) for _, cells in columns)
        heading = [(column.name, "bold") for column, _ in columns]
        yield self._line(columns, heading, "" if note_below else "note", "bold")
        for row, note in zip(self._rows, self._notes, strict=True):
            cells = [self._cell(column, row) for column, _ in columns]
            if width is None:
                yield self._line(columns, cells, note)
                continue
            if cell_len(cells[0][0]) > columns[0][1]:  # a line of its own for a long id
                yield Text(cells[0][0])
                cells[0] = ("", "")
            indent = len(SPACE) if note_below else taken
            folded = [line.plain for line in Text(note).wrap(console, max(1, width - indent))]
            row_line = self._line(columns, cells, "" if note_below else folded.pop(0))
            if row_line.plain:
                yield row_line
            yield from (Text(" " * indent + line) for line in folded if line)

    def _fitted(
        self, columns: list[tuple[_Column, int]], width: int
    ) -> tuple[list[tuple[_Column, int]], bool]:
        """The columns that the terminal has room for, and whether notes go below their row."""
        longest = max((cell_len(note) for note in self._notes), default=0)
        least = min(LEAST_NOTE, max(longest, len("note")))
        ids, id_width = columns[0]
        columns = [(ids, min(id_width, max(len(ids.name), int(width * MOST_OF_ID)))), *columns[1:]]

        def taken() -> int:
            return sum(cells + len(SPACE) for _, cells in columns)

        while taken() + least > width and len(columns) > 1:
            columns.remove(min(columns, key=lambda of: of[0].worth))
        return columns, taken() + least > width

    def _width(self, column: _Column) -> int:
        at = _COLUMNS.index(column)
        return max([len(column.name), *(cell_len(row[at]) for row in self._rows)])

    def _cell(self, column: _Column, row: list[str]) -> tuple[str, str]:
        text = row[_COLUMNS.index(column)]
        style = _STATE_STYLE.get(text, "") if column.name in ("source", "memory") else ""
        return text, style

    def _line(
        self,
        columns: list[tuple[_Column, int]],
        cells: list[tuple[str, str]],
        note: str,
        note_style: str = "",
    ) -> Text:
        line = Text()
        for (column, width), (text, style) in zip(columns, cells, strict=True):
            padding = " " * (width - cell_len(text))
            if column.right:
                line.append(padding)
            line.append(text, style)
            line.append(SPACE if column.right else padding + SPACE)
        line.append(note, note_style)
        line.rstrip()
        return line


def width_of(console: Console) -> int:
    """Columns of the terminal. Rich takes a dumb terminal for 80 columns, whatever it has."""
    return shutil.get_terminal_size().columns if console.is_dumb_terminal else console.width


def _note(camera: Camera) -> str:
    """What is wrong with the source, and what source and memory wait for."""
    source = camera.source
    said = ": ".join(part for part in (source.error, source.error_message) if part)
    return _one_line("; ".join(part for part in (said, camera.memory.message) if part))


def _one_line(text: str) -> str:
    """Without line breaks and without characters that could steer a terminal."""
    return "".join(char for char in " ".join(text.split()) if char.isprintable())
