"""The dashboard is one by Grafana's own types, and they see what is none."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripts import check_dashboard
from tests.support.monitoring import DASHBOARD, DASHBOARDS

Change = Callable[[dict[str, Any]], None]


def panel(dashboard: dict[str, Any], kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in dashboard["panels"] if one["type"] == kind)
    return found


def updated(*path: str | int, **change: Any) -> Change:
    """What changes the object to which a path leads."""

    def change_it(dashboard: dict[str, Any]) -> None:
        within: Any = dashboard
        for step in path:
            within = within[step]
        within.update(change)

    return change_it


def of_panel(kind: str, *path: str | int, **change: Any) -> Change:
    return lambda dashboard: updated(*path, **change)(panel(dashboard, kind))


# Each with a word of what is said about it.
DAMAGES: dict[str, tuple[Change, str]] = {
    "a field of the dashboard": (updated(reload="30s"), "reload"),
    "no version of the schema": (lambda it: it.pop("schemaVersion") and None, "schemaVersion"),
    "a kind of panel": (of_panel("stat", type="number"), '"number"'),
    "a field of a panel": (of_panel("stat", titel="Up"), "titel"),
    "an option of another kind": (of_panel("stat", "options", displayMode="basic"), "displayMode"),
    "a value of an option": (of_panel("bargauge", "options", displayMode="flat"), '"flat"'),
    "a deep option": (of_panel("heatmap", "options", "legend", display=True), "display"),
    "a field's setting": (of_panel("timeseries", "fieldConfig", "defaults", units="s"), "units"),
    "a setting of the kind": (
        of_panel("timeseries", "fieldConfig", "defaults", "custom", filling=20),
        "filling",
    ),
    "a kind of number": (of_panel("table", "gridPos", w="24"), "string"),
    "a field of a query": (of_panel("table", "targets", 0, expression="up"), "expression"),
    "a format of a query": (of_panel("heatmap", "targets", 0, format="heat"), '"heat"'),
    "a field of a variable": (updated("templating", "list", 1, definition="up"), "definition"),
    "a kind of variable": (updated("templating", "list", 0, type="data"), '"data"'),
    "a field of a row": (of_panel("row", folded=True), "folded"),
    "an annotation": (updated("annotations", list=[{"naem": "Deployments"}]), "naem"),
}


@pytest.fixture(scope="module")
def found() -> dict[str, list[str]]:
    """What is wrong with each dashboard as it is, by its file's name, and with each damage."""
    for package in ("typescript", "@grafana/schema", "@grafana/grafana-foundation-sdk"):
        if not (check_dashboard.ROOT / "node_modules" / package).is_dir():
            pytest.skip(f"node_modules/{package} is missing: run npm install")
    made = dict(DASHBOARDS)
    for name, (change, _) in DAMAGES.items():
        made[name] = copy.deepcopy(DASHBOARD)
        change(made[name])
    return dict(zip(made, check_dashboard.faults([*made.values()]), strict=True))


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_is_one(found: dict[str, list[str]], name: str) -> None:
    assert found[name] == []


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damage_is_seen(found: dict[str, list[str]], damage: str) -> None:
    assert found[damage]
    assert DAMAGES[damage][1] in "\n".join(found[damage])


@pytest.mark.parametrize(("name", "why"), [("TSC", "cannot be run"), ("SCHEMA", "cannot be used")])
def test_what_cannot_be_checked_is_told(
    found: dict[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
    why: str,
) -> None:
    """A missing compiler, or types without their packages, is no verdict."""
    elsewhere = tmp_path / check_dashboard.SCHEMA.name
    elsewhere.write_text(check_dashboard.SCHEMA.read_text())
    monkeypatch.setattr(check_dashboard, name, elsewhere if name == "SCHEMA" else tmp_path / "tsc")
    with pytest.raises(RuntimeError, match=why):
        check_dashboard.faults([DASHBOARD])
