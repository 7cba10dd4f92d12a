"""Tables as JSON and as Markdown, written with every row."""

from __future__ import annotations

import gc
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Cell = float | int | str | None
"""None: not measured, and `Table.notes` says why."""


def _nothing() -> None:
    """Nobody wants to know of new rows."""


def _always() -> bool:
    return True


class OutOfTime(Exception):
    """The run has no time left for this."""

    def __init__(self) -> None:
        super().__init__("the run's time was over before it began")


@dataclass(slots=True)
class Table:
    """Rows of one measurement. Column names carry the unit. `changed`: called with each change.
    `time_left`: whether another row may be measured.
    """

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Cell, ...]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    changed: Callable[[], None] = field(default=_nothing, repr=False, compare=False)
    time_left: Callable[[], bool] = field(default=_always, repr=False, compare=False)

    def add(self, *cells: Cell) -> None:
        """One more row."""
        if len(cells) != len(self.columns):
            raise ValueError(f"{self.title}: {len(cells)} cells for {len(self.columns)} columns")
        self.rows.append(cells)
        self.changed()

    def note(self, text: str) -> None:
        """One more note."""
        self.notes.append(text)
        self.changed()

    def attempt(self, key: Cell, row: Callable[[], Sequence[Cell]]) -> bool:
        """Add a row that begins with `key`. One that fails is empty, and a note says why.

        Returns whether it was measured.
        """
        try:
            if not self.time_left():
                raise OutOfTime
            cells: Sequence[Cell] = row()
        except Exception as error:
            text = as_text(error)
        else:
            self.add(key, *cells)
            return True
        gc.collect()  # what the failed row held is of use to the next one
        self.add(key, *[None] * (len(self.columns) - 1))
        self.note(f"{self.columns[0]} {key}: {text}")
        return False


class Report:
    """The tables of one run. Each row is on disk once it is there, whatever happens later."""

    def __init__(
        self,
        about: dict[str, Any],
        out: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        tidy: Callable[[], None] = _nothing,
        budget_s: float = math.inf,
    ) -> None:
        """`out`: the folder for device.json and device.md. `tidy`: called between two parts.
        `budget_s`: no row begins later than this.
        """
        self.about = about
        self.tables: list[Table] = []
        self._out = out
        self._clock = clock
        self._began = clock()
        self._tidy = tidy
        self._budget_s = budget_s

    def time_left(self) -> bool:
        """Whether another part or row may begin."""
        return self._clock() - self._began < self._budget_s

    @property
    def failures(self) -> dict[str, str]:
        """What failed, by part."""
        found: dict[str, str] = self.about.get("failures", {})
        return found

    def table(self, title: str, columns: tuple[str, ...], *notes: str) -> Table:
        """Begin a table."""
        made = Table(
            title, columns, notes=list(notes), changed=self.write, time_left=self.time_left
        )
        self.tables.append(made)
        return made

    def attempt(self, name: str, part: Callable[[], None]) -> None:
        """Run a part, which fills some tables. One that fails ends itself alone."""
        try:
            if not self.time_left():
                raise OutOfTime
            part()
        except Exception as error:
            self.about.setdefault("failures", {})[name] = as_text(error)
        if name in self.failures:
            gc.collect()  # what it held is of use to the next part
        took = self._clock() - self._began
        print(f"[{took:.0f} s] {self.failures.get(name, 'done')}: {name}", file=sys.stderr)
        self._tidy()
        self.write()

    def write(self) -> None:
        """Write all that is known now."""
        self.about["seconds"] = round(self._clock() - self._began)
        if self._out is not None:
            self._out.mkdir(parents=True, exist_ok=True)
            (self._out / "device.json").write_text(to_json(self.about, self.tables))
            (self._out / "device.md").write_text(to_markdown(self.about, self.tables))


def as_text(error: BaseException) -> str:
    """An error on one line."""
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}"[:300]


def to_json(about: dict[str, Any], tables: Sequence[Table]) -> str:
    """Everything, for machines."""
    found = [
        {"title": each.title, "columns": each.columns, "rows": each.rows, "notes": each.notes}
        for each in tables
    ]
    return json.dumps({"about": about, "tables": found}, indent=2)


def to_markdown(about: dict[str, Any], tables: Sequence[Table]) -> str:
    """Everything, for people."""
    lines = [f"- {name}: {_told(value)}" for name, value in about.items()]
    for table in tables:
        lines += ["", f"### {table.title}", "", _line(table.columns)]
        lines.append(_line(["---"] * len(table.columns)))
        lines += [_line([_told(cell) for cell in row]) for row in table.rows]
        lines += [f"\n{note}" for note in table.notes]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _told(cell: Any) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:.0f}" if abs(cell) >= 100 else f"{cell:.3g}"
    return str(cell)
