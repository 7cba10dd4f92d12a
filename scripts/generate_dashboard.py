"""Generate the Grafana dashboards from their panels, or check that those checked in are current."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from scripts.dashboard.board import BOARDS, Board, Variable
from scripts.dashboard.panel import Panel
from scripts.dashboard.row import Row

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "deploy" / "grafana" / "dashboards"
TARGETS = {FOLDER / f"{board.uid}.json": board for board in BOARDS}

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24


def targets(panel: Panel) -> Iterator[dict[str, Any]]:
    for ref, (legend, expr) in zip(ascii_uppercase, panel.queries.items(), strict=False):
        target: dict[str, Any] = {"refId": ref, "datasource": DATASOURCE, "expr": expr}
        target["legendFormat"] = legend
        if panel.exemplars and ref == "A":  # every query of the panel would give the same ones
            target["exemplar"] = True
        if panel.kind == "heatmap":
            target["format"] = "heatmap"
        if panel.kind in ("table", "bargauge", "stat"):
            target["instant"] = True
        if panel.kind == "table":
            target["format"] = "table"
        yield target


def options(panel: Panel) -> dict[str, Any]:
    last = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    match panel.kind:
        case "timeseries":
            return {"tooltip": {"mode": "multi", "sort": "desc"}}
        case "bargauge":
            return {"reduceOptions": last, "orientation": "horizontal", "displayMode": "basic"}
        case "stat":
            return {"reduceOptions": last, "graphMode": "none", "textMode": "value_and_name"}
        case "heatmap":
            return {"calculate": False, "yAxis": {"unit": panel.unit}, "legend": {"show": True}}
        case "status-history":
            return {"showValue": "never"}
        case _:
            return {}


def defaults(panel: Panel) -> dict[str, Any]:
    """How its values are shown."""
    shown: dict[str, Any] = {"unit": panel.unit}
    if panel.least is not None:
        shown["min"] = panel.least
    if panel.kind == "state-timeline":
        shown["color"] = {"mode": "thresholds"}  # else Grafana shades between the extremes
    if panel.kind == "status-history":
        shown["color"] = {"mode": "continuous-GrYlRd"}
        shown["max"] = 1
    if panel.kind == "timeseries":
        shown["custom"] = {
            "fillOpacity": 20 if panel.stacked else 0,
            "showPoints": "never",
            "stacking": {"mode": "normal" if panel.stacked else "none"},
            "thresholdsStyle": {"mode": "line" if panel.thresholds else "off"},
        }
    if panel.thresholds:
        base = [] if panel.thresholds[0][0] == 0 else [{"value": None, "color": "green"}]
        steps = [{"value": value or None, "color": color} for value, color in panel.thresholds]
        shown["thresholds"] = {"mode": "absolute", "steps": base + steps}
    if panel.names:
        words = {str(number): {"text": text} for number, text in panel.names.items()}
        shown["mappings"] = [{"type": "value", "options": words}]
    return shown


def laid_out(rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    """Rows and panels from left to right and top to bottom, numbered from 1."""
    number = y = 0
    for row in rows:
        number += 1
        place = {"x": 0, "y": y, "w": COLUMNS, "h": 1}
        repeat = {"repeat": row.repeat} if row.repeat else {}
        yield {"id": number, "type": "row", "title": row.title, "collapsed": False,
               "gridPos": place, "panels": [], **repeat}  # fmt: skip
        x, y, height = 0, y + 1, 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y, height = 0, y + height, 0
            number += 1
            yield {
                "id": number,
                "type": panel.kind,
                "title": panel.title,
                "description": panel.description,
                "datasource": DATASOURCE,
                "gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height},
                "fieldConfig": {"defaults": defaults(panel), "overrides": []},
                "options": options(panel),
                "targets": list(targets(panel)),
            }
            x, height = x + panel.width, max(height, panel.height)
        y += height


def variable(variable: Variable) -> dict[str, Any]:
    """A variable whose values are those of a label of the same name."""
    query = f"label_values({variable.metric}, {variable.name})"
    everything = {"includeAll": True, "multi": True, "allValue": ".*"} if variable.several else {}
    return {
        "name": variable.name,
        "label": variable.label,
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": query, "refId": variable.name},
        "refresh": 2,
        "sort": 1,
        **everything,
    }


def dashboard(board: Board) -> dict[str, Any]:
    """What Grafana reads."""
    return {
        "uid": board.uid,
        "title": board.title,
        "description": "Generated by scripts/generate_dashboard.py.",
        "tags": ["hermes"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "templating": {
            "list": [
                {"name": "datasource", "label": "Data source", "type": "datasource",
                 "query": "prometheus"},
                *map(variable, board.variables),
            ]
        },
        "annotations": {"list": []},
        "panels": list(laid_out(board.rows)),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, change nothing")
    check = parser.parse_args().check
    for target, board in TARGETS.items():
        text = json.dumps(dashboard(board), indent=2) + "\n"
        if not check:
            target.write_text(text)
        elif not target.exists() or target.read_text() != text:
            sys.exit(f"{target.relative_to(ROOT)} is not current: run make dashboard")


if __name__ == "__main__":
    main()
