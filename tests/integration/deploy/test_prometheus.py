"""A real Prometheus reads real metrics ports, and every query of dashboard and rules gives data."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from services.common.heartbeats import Heartbeats
from services.common.http import StatusServer
from services.common.metrics import Metrics
from tests.support.monitoring import (
    ALERTS,
    DASHBOARDS,
    PROMETHEUS,
    RECORDED,
    dashboard_queries,
    filled_in,
    read,
    variables,
)
from tests.support.prometheus import Prometheus, need, running
from tests.support.promql import parse

NAMES = ("gateway", "worker", "decoder", "notifier")
CAMERAS = ("lobby", "dock")
WATCHES = ("fall", "gate", "queue")
WAIT_S = 60.0
IDS = {"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331"}


class Services:
    """The metrics ports of one service of each kind, with something to tell."""

    def __init__(self) -> None:
        self.jobs = {f"hermes-{name}": Metrics() for name in NAMES}
        self._servers = {
            job: StatusServer(
                "127.0.0.1", 0, metrics, lambda: (True, "serving"), heartbeats=self._heartbeats()
            )
            for job, metrics in self.jobs.items()
        }
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @staticmethod
    def _heartbeats() -> Heartbeats:
        heartbeats = Heartbeats()
        heartbeats.add("status-writer")
        return heartbeats

    def __enter__(self) -> Services:
        self._observe()
        for server in self._servers.values():
            server.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for server in self._servers.values():
            server.stop()

    def scrape_configs(self) -> list[dict[str, Any]]:
        """The jobs, by the names that the rules expect."""
        return [
            {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{server.port}"]}]}
            for job, server in self._servers.items()
        ]

    def _run(self) -> None:
        while not self._stop.wait(0.2):
            self._observe()

    def _observe(self) -> None:
        """A little of everything, the way the services themselves tell it."""
        gateway, worker, decoder, notifier = self.jobs.values()
        gateway.time_to_first_token.labels("m", "gateway").observe(0.03, IDS)
        gateway.cameras_registered.set(len(CAMERAS))
        worker.camera_capacity.set(8)
        gateway.queries.labels("OK").inc()
        gateway.queries.labels("UNAVAILABLE").inc()
        gateway.question_forms.labels("text").inc()
        gateway.refused_calls.labels("UNAUTHENTICATED").inc()
        worker.queries.labels("OK").inc()
        for stage in ("warm", "fresh"):
            worker.time_to_first_token.labels("m", stage).observe(0.02)
        for histogram in (worker.inter_token_latency, worker.query_duration, worker.query_queue):
            histogram.labels("m").observe(0.01)
        for kind in ("allocated", "reserved", "peak", "free"):
            worker.device_memory.labels("cuda", kind).set(1e9)
        for plain in (worker.frame_lag, worker.takeover, worker.checkpoint_duration):
            plain.observe(0.5)
        worker.compressions.inc()
        worker.evicted_tokens.inc(100)
        worker.pass_retries.inc()
        worker.replayed_frames.inc()
        worker.lease_lost.inc()
        worker.fenced_writes.inc()
        worker.checkpoint_bytes.inc(1e6)
        for outcome in ("committed", "failed", "fenced"):
            worker.checkpoints.labels(outcome).inc()
        for outcome in ("newest", "older", "log", "lost"):
            worker.restores.labels(outcome).inc()
        worker.watch_lag.observe(0.5)
        for watch in WATCHES:
            for outcome in ("read", "skipped", "failed", "out_of_range"):
                worker.watch_evaluations.labels(watch, outcome).inc()
            for kind in ("opened", "closed", "note"):
                worker.events.labels(watch, "warning", kind).inc()
        for outcome in ("delivered", "dead"):
            notifier.notifications.labels("oncall", outcome).inc()
        notifier.notification_lag.labels("oncall").observe(0.1)
        notifier.notifications_pending.labels("oncall").set(1)
        notifier.dead_letters.labels("oncall").set(1)
        for camera in CAMERAS:
            self._observe_camera(camera, worker, decoder)

    def _observe_camera(self, camera: str, worker: Metrics, decoder: Metrics) -> None:
        decoder.camera_state.labels(camera).set(3)
        for outcome in ("encoded", "dropped_stale", "decode_error"):
            decoder.frames.labels(camera, outcome).inc()
        for outcome in ("encoded", "dropped_stale", "decode_error", "trimmed", "unchanged"):
            worker.frames.labels(camera, outcome).inc()
        for metrics in (worker, decoder):
            metrics.camera_owner_epoch.labels(camera).set(1)
        for outcome in ("taken", "unchanged"):
            worker.frame_tokens.labels(camera, outcome).inc(10)
        worker.frame_taken.labels(camera).set(0.1)
        worker.frame_lag_last.labels(camera).set(0.5)
        worker.checkpoint_age.labels(camera).set(10)
        for band in ("sensory", "working", "long_term"):
            worker.memory_tokens.labels(camera, band).set(4000)
            worker.memory_bytes.labels(camera, band).set(1e8)
        worker.kept_pictures.labels(camera).set(3e7)
        worker.watch_probability.labels("fall", camera).set(0.2)
        worker.watch_choice.labels("gate", camera, "open").set(0.9)
        worker.watch_value.labels("queue", camera).set(4)
        for watch in WATCHES:
            worker.watch_open.labels(watch, camera).set(0)
            worker.watch_evaluated.labels(watch, camera).set_to_current_time()


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Our rules and our jobs, at other ports and by the second."""
    need("prometheus")
    folder = tmp_path_factory.mktemp("prometheus")
    with Services() as services:
        shipped = read(PROMETHEUS / "prometheus.yml")
        config = folder / "prometheus.yml"
        config.write_text(
            yaml.safe_dump(
                {
                    "global": {
                        "scrape_interval": "1s",
                        "scrape_timeout": "1s",
                        "evaluation_interval": "1s",
                    },
                    "rule_files": [str(PROMETHEUS / name) for name in shipped["rule_files"]],
                    "scrape_configs": services.scrape_configs(),
                }
            )
        )
        with running(config, folder / "data") as prometheus:
            wait_for(lambda: len(prometheus.query("up == 1")) == len(services.jobs))
            wait_for(lambda: all(has_data(prometheus, name) for name in RECORDED))
            yield prometheus


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < until, "Prometheus has not come that far"
        time.sleep(0.5)


def has_data(prometheus: Prometheus, expr: str) -> bool:
    """Whether a number comes back, and not only NaN."""
    return any(not math.isnan(float(series["value"][1])) for series in prometheus.query(expr))


QUERIES = [*dashboard_queries()]


@pytest.mark.parametrize(("where", "expr"), QUERIES, ids=[where for where, _ in QUERIES])
def test_a_query_of_the_dashboard_gives_data(prometheus: Prometheus, where: str, expr: str) -> None:
    query = filled_in(expr, CAMERAS[0])
    for _ in range(10):  # a rate needs two scrapes
        if has_data(prometheus, query):
            return
        time.sleep(0.5)
    pytest.fail(f"{where}: no data")


def test_every_recording_rule_gives_data(prometheus: Prometheus) -> None:
    for name, expr in RECORDED.items():
        assert has_data(prometheus, name), name
        assert has_data(prometheus, expr), name


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_looks_at_series_that_are_there(prometheus: Prometheus, name: str) -> None:
    expr = ALERTS[name]["expr"]
    prometheus.query(expr)  # that it is understood; whether it fires is promtool's to test
    for selector in parse(expr).selectors:
        assert has_data(prometheus, selector.instant()), selector


def test_prometheus_finds_no_fault_in_evaluating_the_rules(prometheus: Prometheus) -> None:
    groups = prometheus.get("rules")["groups"]
    found = [rule for group in groups for rule in group["rules"]]
    assert len(found) == len(RECORDED) + len(ALERTS)
    assert [(rule["name"], rule["lastError"]) for rule in found if rule["health"] == "err"] == []


@pytest.mark.parametrize(
    ("dashboard", "values"),
    [
        ("hermes-live", {"model": ["m"], "camera": sorted(CAMERAS)}),
        ("hermes-watches", {"watch": sorted(WATCHES), "camera": sorted(CAMERAS)}),
    ],
)
def test_variables_find_their_values(
    prometheus: Prometheus, dashboard: str, values: dict[str, list[str]]
) -> None:
    found = {}
    for name, query in variables(DASHBOARDS[dashboard]).items():
        metric, _, label = query.removeprefix("label_values(").removesuffix(")").partition(", ")
        found[name] = prometheus.get(f"label/{label}/values", **{"match[]": metric})
    assert found == values


def test_exemplars_lead_to_traces(prometheus: Prometheus) -> None:
    expr = 'hermes_time_to_first_token_seconds_bucket{stage="gateway"}'
    now = time.time()
    wait_for(
        lambda: prometheus.get(
            "query_exemplars", query=expr, start=f"{now - 60}", end=f"{now + 60}"
        )
    )
    (found,) = prometheus.get("query_exemplars", query=expr, start=f"{now - 60}", end=f"{now + 60}")
    assert found["exemplars"][0]["labels"] == IDS


def test_what_is_wrong_shows(prometheus: Prometheus) -> None:
    """The check itself: fenced writes grow here, and no camera is offline."""
    wait_for(lambda: any(alert["labels"]["alertname"] == "HermesFencedWrites"
                         for alert in prometheus.get("alerts")["alerts"]))  # fmt: skip
    names = {alert["labels"]["alertname"] for alert in prometheus.get("alerts")["alerts"]}
    assert "HermesCameraOffline" not in names
    assert "HermesServiceDown" not in names
    assert not has_data(prometheus, 'hermes_frames_total{outcome="no such outcome"}')
