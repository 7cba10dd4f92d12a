"""What lies in deploy/ for Prometheus and Grafana, read once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from services.common.metrics import Metrics

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
GRAFANA = ROOT / "deploy" / "grafana"
DASHBOARDS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text()) for path in sorted((GRAFANA / "dashboards").iterdir())
}
"""By the names of their files."""
DASHBOARD = DASHBOARDS["hermes-live"]


def read(path: Path) -> Any:
    """A YAML file."""
    return yaml.safe_load(path.read_text())


def rules() -> list[dict[str, Any]]:
    """Recording rules and alerts, in order."""
    files = ("recording.yml", "alerts.yml")
    groups = [group for name in files for group in read(PROMETHEUS / "rules" / name)["groups"]]
    return [rule for group in groups for rule in group["rules"]]


RECORDED: dict[str, str] = {rule["record"]: rule["expr"] for rule in rules() if "record" in rule}
ALERTS: dict[str, dict[str, Any]] = {rule["alert"]: rule for rule in rules() if "alert" in rule}


def alerts_of(*groups: str) -> set[str]:
    """The names of the alerts in groups of rules."""
    found = read(PROMETHEUS / "rules" / "alerts.yml")["groups"]
    assert {*groups} <= {group["name"] for group in found}
    return {rule["alert"] for group in found if group["name"] in groups for rule in group["rules"]}


WATCH_ALERTS = alerts_of("hermes-watches", "hermes-notifications")
"""Those about watches and sinks; they have a session of their own in tests/chaos."""
WATCH_SERIES = re.compile("hermes:?_?(watch|event|notification|dead_letter|question_forms)")
"""Series that need watches, sinks or questions with a form."""


def panels() -> list[dict[str, Any]]:
    """The panels of all dashboards, rows left out."""
    everything = [panel for dashboard in DASHBOARDS.values() for panel in dashboard["panels"]]
    return [panel for panel in everything if panel["type"] != "row"]


def dashboard_queries() -> Iterator[tuple[str, str]]:
    """Panel or variable, and each of its expressions."""
    for panel in panels():
        for target in panel["targets"]:
            yield f"{panel['title']} {target['refId']}", target["expr"]


def variables(dashboard: dict[str, Any] = DASHBOARD) -> dict[str, str]:
    """A dashboard's variables that are asked of Prometheus: name and query."""
    entries = dashboard["templating"]["list"]
    return {entry["name"]: entry["query"]["query"] for entry in entries if entry["type"] == "query"}


def filled_in(expr: str, camera: str) -> str:
    """An expression of a dashboard as Grafana would send it."""
    given = {"__rate_interval": "10s", "model": ".*", "watch": ".*", "camera": camera}
    for name, value in given.items():
        expr = expr.replace(f"${name}", value)
    assert "$" not in expr
    return expr


def metrics_with_series() -> Metrics:
    """With a series in every metric, those of cameras for two of them."""
    metrics = Metrics()
    metrics.threads.heartbeats.add("ingest")
    for kind in (metrics.inter_token_latency, metrics.query_duration, metrics.query_queue):
        kind.labels("m").observe(0.1)
    metrics.time_to_first_token.labels("m", "warm").observe(0.1)
    metrics.queries.labels("OK").inc()
    metrics.question_forms.labels("text").inc()
    metrics.refused_calls.labels("UNAUTHENTICATED").inc()
    metrics.device_memory.labels("cuda:0", "free").set(1)
    metrics.checkpoints.labels("committed").inc()
    metrics.restores.labels("newest").inc()
    metrics.watch_lag.observe(0.1)
    for outcome in ("read", "skipped", "failed", "out_of_range"):
        metrics.watch_evaluations.labels("fall", outcome).inc()
    for message in ("opened", "closed", "note"):
        metrics.events.labels("fall", "critical", message).inc()
    metrics.notifications.labels("oncall", "delivered").inc()
    metrics.notification_lag.labels("oncall").observe(0.1)
    metrics.notifications_pending.labels("oncall").set(0)
    metrics.dead_letters.labels("oncall").set(0)
    for camera in ("lobby", "dock"):
        metrics.checkpoint_age.labels(camera).set(1)
        for outcome in ("encoded", "dropped_stale", "trimmed", "decode_error"):
            metrics.frames.labels(camera, outcome).inc()
        for outcome in ("taken", "unchanged"):
            metrics.frame_tokens.labels(camera, outcome).inc()
        metrics.frame_taken.labels(camera).set(0.1)
        for band in ("shallow", "middle", "deep"):
            metrics.memory_tokens.labels(camera, band).set(1)
            metrics.memory_bytes.labels(camera, band).set(1)
        metrics.kept_pictures.labels(camera).set(1)
        metrics.frame_lag_last.labels(camera).set(1)
        metrics.camera_state.labels(camera).set(3)
        metrics.camera_owner_epoch.labels(camera).set(1)
        metrics.watch_probability.labels("fall", camera).set(0.1)
        metrics.watch_value.labels("queue", camera).set(3)
        metrics.watch_choice.labels("gate", camera, "open").set(0.9)
        for watch in ("fall", "queue", "gate"):
            metrics.watch_open.labels(watch, camera).set(0)
            metrics.watch_evaluated.labels(watch, camera).set(1)
    return metrics
