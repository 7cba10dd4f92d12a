"""Dashboard, rules and alerts ask for what the services export, and for all of it."""

from __future__ import annotations

import re
from itertools import combinations
from typing import Any

import grpc
import pytest

from hermes.v1.camera_pb2 import SourceState
from scripts import (
    check_links,
    generate_dashboard,
    generate_prometheus_rules,
)
from scripts.dashboard.board import BOARDS
from scripts.dashboard.panel import STATES
from services.common.metrics import ALERTED_CODES
from services.notifier.notifier import OUTCOMES
from tests.support.monitoring import (
    ALERTS,
    DASHBOARD,
    DASHBOARDS,
    GRAFANA,
    PROMETHEUS,
    RECORDED,
    ROOT,
    dashboard_queries,
    metrics_with_series,
    panels,
    read,
    rules,
    variables,
)
from tests.support.promql import Selector, parse

JOBS = {"hermes-gateway", "hermes-worker", "hermes-decoder", "hermes-notifier", "hermes-web"}
OF_PROMETHEUS = {"config", "enable-feature"}
"""Its own flags, in our documentation."""
SCRAPED = {"job", "instance"}
"""Labels that Prometheus adds to every series."""

# What the services put into labels; `grep -rn 'labels(' services` shows where.
VALUES = {
    "job": JOBS,
    "stage": {"warm", "fresh", "gateway"},
    "outcome": {
        *("encoded", "unchanged", "dropped_stale", "trimmed", "decode_error", "damaged", "missed"),
        *("committed", "failed", "fenced"),
        *("taken", "unchanged"),
        *("newest", "older", "log", "lost"),
        *("read", "skipped", "failed", "out_of_range"),
        *OUTCOMES,
    },
    "type": {"opened", "closed", "note"},
    "band": {"sensory", "working", "long_term"},
    "kind": {"allocated", "reserved", "peak", "free"},
    "code": {code.name for code in grpc.StatusCode},
}


METRICS = [
    family
    for family in metrics_with_series().registry.collect()
    if family.name.startswith("hermes_")
]
EXPORTED: dict[str, set[str]] = {
    sample.name: {*sample.labels} for family in METRICS for sample in family.samples
}
"""Names under which our metrics are scraped, with their labels."""
QUERIES = [
    *dashboard_queries(),
    *((str(rule.get("record", rule.get("alert"))), rule["expr"]) for rule in rules()),
]


def labels_of(name: str) -> set[str]:
    """Labels of a series that is scraped or recorded."""
    if name == "up":
        return SCRAPED
    if name in RECORDED:
        return set(parse(RECORDED[name]).grouping)
    return EXPORTED[name] | SCRAPED


def wrong_values(selector: Selector) -> list[str]:
    """Matchers that no series of ours can meet."""
    wrong = []
    for label, how, value in selector.matchers:
        if value.startswith("$") or label in ("le", "model", "camera"):
            continue
        wanted = [value] if how in ("=", "!=") else expand(value)
        wrong += [f"{label}={one}" for one in wanted if not any(
            re.fullmatch(one, known) for known in VALUES[label])]  # fmt: skip
    return wrong


def expand(pattern: str) -> list[str]:
    """The alternatives of a|b and of a-(b|c)."""
    match = re.fullmatch(r"(.*)\((.*)\)", pattern)
    return [match[1] + end for end in match[2].split("|")] if match else pattern.split("|")


def test_the_metrics_are_found() -> None:
    assert len(METRICS) == 48
    assert EXPORTED["hermes_frames_total"] == {"camera", "outcome"}
    assert EXPORTED["hermes_time_to_first_token_seconds_bucket"] == {"model", "stage", "le"}


@pytest.mark.parametrize(("where", "expr"), QUERIES, ids=[where for where, _ in QUERIES])
def test_a_query_asks_for_what_is_exported(where: str, expr: str) -> None:
    parsed = parse(expr)
    assert parsed.selectors
    available = set()
    for selector in parsed.selectors:
        assert selector.name in {*EXPORTED, *RECORDED, "up"}, f"{where}: {selector.name}"
        labels = labels_of(selector.name)
        assert {label for label, _, _ in selector.matchers} <= labels, f"{where}: {selector}"
        assert wrong_values(selector) == [], where
        available |= labels
    assert set(parsed.grouping) <= available, where


def test_every_bound_that_is_asked_for_is_a_bucket() -> None:
    asked = {
        (selector.name, value)
        for _, expr in QUERIES
        for selector in parse(expr).selectors
        for label, _, value in selector.matchers
        if label == "le"
    }
    bounds: dict[str, set[float]] = {}
    for family in METRICS:
        for sample in family.samples:
            if "le" in sample.labels:
                bounds.setdefault(sample.name, set()).add(float(sample.labels["le"]))
    assert asked
    for name, value in asked:
        assert float(value) in bounds[name]


def test_every_exported_metric_is_used() -> None:
    used = {selector.name for _, expr in QUERIES for selector in parse(expr).selectors}
    unused = [m.name for m in METRICS if not used & {sample.name for sample in m.samples}]
    assert unused == []


def test_every_recording_rule_is_used() -> None:
    used = {selector.name for _, expr in QUERIES for selector in parse(expr).selectors}
    assert RECORDED.keys() - used == set()


def test_every_metric_has_help_and_a_unit_in_its_name() -> None:
    counts = {
        *("hermes_queries", "hermes_frames", "hermes_memory_tokens", "hermes_compressions"),
        *("hermes_evicted_tokens", "hermes_pass_retries", "hermes_lease_lost", "hermes_restores"),
        *("hermes_fenced_writes", "hermes_replayed_frames", "hermes_checkpoints"),
        *("hermes_camera_state", "hermes_camera_owner_epoch", "hermes_refused_calls"),
        *("hermes_ready", "hermes_cameras_registered", "hermes_redis_evicts"),
        *("hermes_camera_capacity",),
        *("hermes_threads_late", "hermes_frame_tokens", "hermes_question_forms"),
        *("hermes_notifications", "hermes_notifications_pending"),
        *("hermes_notification_dead_letters", "hermes_watch_evaluations", "hermes_events"),
        *("hermes_watch_probability", "hermes_watch_value", "hermes_watch_choice"),
        "hermes_watch_open",
    }
    for metric in METRICS:
        assert metric.documentation.endswith("."), metric.name
        assert metric.name.endswith(("_seconds", "_bytes", "_ratio")) or metric.name in counts


# The dashboards


def test_the_dashboards_are_what_their_panels_give() -> None:
    assert {board.uid: generate_dashboard.dashboard(board) for board in BOARDS} == DASHBOARDS


def test_every_watch_has_a_row_of_its_own() -> None:
    rows = [panel for panel in DASHBOARDS["hermes-watches"]["panels"] if panel["type"] == "row"]
    assert [(row["title"], row.get("repeat")) for row in rows] == [
        ("All watches", None),
        ("$watch", "watch"),
    ]


def test_rows_stand_in_order() -> None:
    rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert rows == [
        "Fleet at a glance",
        "Questions",
        "Memory by band",
        "Ingest and drops",
        "Ownership and recovery",
        "Notifications",
        "One camera in depth: $camera",
    ]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_have_ids_and_places_of_their_own(name: str) -> None:
    everything = DASHBOARDS[name]["panels"]
    ids = [panel["id"] for panel in everything]
    assert len(set(ids)) == len(ids)
    for one, other in combinations(everything, 2):
        assert not overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])
    for panel in everything:
        place = panel["gridPos"]
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= 24


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    across = one["x"] < other["x"] + other["w"] and other["x"] < one["x"] + one["w"]
    return across and one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"]


@pytest.mark.parametrize("panel", panels(), ids=[panel["title"] for panel in panels()])
def test_a_panel_is_whole(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["targets"]
    refs = [target["refId"] for target in panel["targets"]]
    assert len(set(refs)) == len(refs)
    for asks in (panel, *panel["targets"]):
        assert asks["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert all(target["expr"] for target in panel["targets"])


@pytest.mark.parametrize(
    ("name", "names"),
    [("hermes-live", {"model", "camera"}), ("hermes-watches", {"watch", "camera"})],
)
def test_variables_are_defined_and_used(name: str, names: set[str]) -> None:
    found = variables(DASHBOARDS[name])
    assert set(found) == names
    targets = (panel.get("targets", ()) for panel in DASHBOARDS[name]["panels"])
    text = " ".join(target["expr"] for some in targets for target in some)
    assert set(re.findall(r"\$(\w+)", text)) == {*names, "__rate_interval"}
    for name, query in found.items():
        metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", query).groups()  # type: ignore[union-attr]
        assert label == name
        assert label in EXPORTED[metric]


def test_states_are_those_of_the_api() -> None:
    assert {
        number: name.removeprefix("SOURCE_STATE_").lower()
        for name, number in SourceState.items()
        if number
    } == STATES


def test_what_grafana_is_given_fits_together() -> None:
    (source,) = read(GRAFANA / "provisioning/datasources/prometheus.yml")["datasources"]
    assert source["type"] == "prometheus"
    interval = read(PROMETHEUS / "prometheus.yml")["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == interval
    (provider,) = read(GRAFANA / "provisioning/dashboards/hermes-live.yml")["providers"]
    assert provider["options"]["path"] in (ROOT / "docs/operations.md").read_text()


def test_only_what_has_exemplars_shows_them() -> None:
    shown = {
        panel["title"]: [target["expr"] for target in panel["targets"] if target.get("exemplar")]
        for panel in panels()
        if any(target.get("exemplar") for target in panel["targets"])
    }
    assert len(shown) == 4
    for exprs in shown.values():
        (expr,) = exprs  # of one target: all of a panel would show the same points
        assert re.search("hermes_(time_to_first_token|query_duration)_seconds_bucket", expr)


# Alerts


def test_the_clusters_rules_are_current() -> None:
    text = generate_prometheus_rules.TARGET.read_text()
    assert text == generate_prometheus_rules.objects()


def test_prometheus_knows_the_jobs_and_the_rules() -> None:
    config = read(PROMETHEUS / "prometheus.yml")
    assert {job["job_name"] for job in config["scrape_configs"]} == JOBS
    named = {PROMETHEUS / name for name in config["rule_files"]}
    assert named == set((PROMETHEUS / "rules").iterdir())


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_what_it_means_and_where_to_look(name: str) -> None:
    alert = ALERTS[name]
    assert alert["labels"]["severity"] in ("critical", "warning")
    notes = alert["annotations"]
    assert notes.keys() == {"summary", "description", "runbook"}
    path, _, anchor = notes["runbook"].partition("#")
    assert anchor == name.lower()
    assert anchor in check_links.anchors(ROOT / path)


def test_the_runbook_has_no_section_of_an_alert_that_is_gone() -> None:
    text = (ROOT / "docs/operations.md").read_text()
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^### |\Z)", text, re.MULTILINE | re.DOTALL))
    assert list(sections) == list(ALERTS)
    for name, section in sections.items():
        for part in ("**Look at**", "**Do**"):
            assert part in section, name


def test_the_runbook_names_events_and_flags_that_exist() -> None:
    text = (ROOT / "docs/operations.md").read_text()
    code = "".join(path.read_text() for path in (ROOT / "services").rglob("*.py"))
    events = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", text)) - {*RECORDED}
    assert [event for event in sorted(events) if f'"{event}"' not in code] == []
    flags = {flag for flag in re.findall(r"--([a-z-]+)", text) if flag not in OF_PROMETHEUS}
    settings = [flag.replace("-", "_") for flag in sorted(flags)]
    assert [name for name in settings if f"{name}:" not in code] == []


def test_a_gateway_counts_what_alerts_read_from_the_start() -> None:
    """From 0, so that the first failure is a rate."""
    (expr,) = (alert["expr"] for name, alert in ALERTS.items() if name == "HermesQuestionsFailing")
    asked = {
        code
        for selector in parse(expr).selectors
        for label, _, value in selector.matchers
        if label == "code"
        for code in expand(value)
    }
    assert {*ALERTED_CODES} == asked | {"OK"}


def test_labels_in_annotations_are_left_by_the_expression() -> None:
    for name, alert in ALERTS.items():
        named = set(re.findall(r"\$labels\.(\w+)", " ".join(alert["annotations"].values())))
        parsed = parse(alert["expr"])
        left = {*parsed.grouping}.union(*(labels_of(s.name) for s in parsed.selectors))
        assert named <= left, name


def test_every_alert_is_tested_to_fire_and_not_to_fire() -> None:
    outcomes: dict[str, set[bool]] = {name: set() for name in ALERTS}
    for path in (PROMETHEUS / "tests").glob("*.yml"):
        for test in read(path)["tests"]:
            for case in test["alert_rule_test"]:
                outcomes[case["alertname"]].add(bool(case["exp_alerts"]))
    assert outcomes == {name: {True, False} for name in ALERTS}
