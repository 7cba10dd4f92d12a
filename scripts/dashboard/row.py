"""A row of a Grafana dashboard."""

from __future__ import annotations

from dataclasses import dataclass

from scripts.dashboard.panel import Panel


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a title. `repeat`: the variable of which every value gets the row."""

    title: str
    panels: tuple[Panel, ...]
    repeat: str = ""
