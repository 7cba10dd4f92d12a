"""Tables as JSON and as Markdown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

Cell = float | int | str | None
"""None: not measured, and `Table.notes` says why."""


@dataclass(slots=True)
class Table:
    """Rows of one measurement. Column names carry the unit."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Cell, ...]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, *cells: Cell) -> None:
        """One more row."""
        if len(cells) != len(self.columns):
            raise ValueError(f"{self.title}: {len(cells)} cells for {len(self.columns)} columns")
        self.rows.append(cells)


def to_json(about: dict[str, Any], tables: Sequence[Table]) -> str:
    """Everything, for machines."""
    return json.dumps({"about": about, "tables": [asdict(table) for table in tables]}, indent=2)


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
