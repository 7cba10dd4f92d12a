from __future__ import annotations

import pytest
from prometheus_client import generate_latest
from prometheus_client.exposition import choose_encoder
from prometheus_client.parser import text_string_to_metric_families

from services.common.metrics import TTFT_BUCKETS, Metrics
from tests.support.monitoring import metrics_with_series

# The names, kinds and labels that dashboards, alerts and the documentation use.
EXPECTED = {
    "hermes_ready": ("gauge", set()),
    "hermes_thread_heartbeat_age_seconds": ("gauge", {"thread"}),
    "hermes_threads_late": ("gauge", set()),
    "hermes_cameras_registered": ("gauge", set()),
    "hermes_camera_capacity": ("gauge", set()),
    "hermes_redis_evicts": ("gauge", set()),
    "hermes_time_to_first_token_seconds": ("histogram", {"model", "stage"}),
    "hermes_inter_token_latency_seconds": ("histogram", {"model"}),
    "hermes_query_duration_seconds": ("histogram", {"model"}),
    "hermes_query_queue_seconds": ("histogram", {"model"}),
    "hermes_queries_total": ("counter", {"code"}),
    "hermes_question_forms_total": ("counter", {"form"}),
    "hermes_refused_calls_total": ("counter", {"reason"}),
    "hermes_frame_lag_seconds": ("histogram", set()),
    "hermes_frame_lag_last_seconds": ("gauge", {"camera"}),
    "hermes_frames_total": ("counter", {"camera", "outcome"}),
    "hermes_frame_tokens_total": ("counter", {"camera", "outcome"}),
    "hermes_frame_taken_ratio": ("gauge", {"camera"}),
    "hermes_memory_tokens": ("gauge", {"camera", "band"}),
    "hermes_memory_bytes": ("gauge", {"camera", "band"}),
    "hermes_kept_pictures_bytes": ("gauge", {"camera"}),
    "hermes_compressions_total": ("counter", set()),
    "hermes_pass_retries_total": ("counter", set()),
    "hermes_evicted_tokens_total": ("counter", set()),
    "hermes_device_memory_bytes": ("gauge", {"device", "kind"}),
    "hermes_camera_state": ("gauge", {"camera"}),
    "hermes_camera_owner_epoch": ("gauge", {"camera"}),
    "hermes_lease_lost_total": ("counter", set()),
    "hermes_fenced_writes_total": ("counter", set()),
    "hermes_takeover_seconds": ("histogram", set()),
    "hermes_replayed_frames_total": ("counter", set()),
    "hermes_checkpoints_total": ("counter", {"outcome"}),
    "hermes_checkpoint_seconds": ("histogram", set()),
    "hermes_checkpoint_bytes_total": ("counter", set()),
    "hermes_checkpoint_age_seconds": ("gauge", {"camera"}),
    "hermes_restores_total": ("counter", {"outcome"}),
    "hermes_watch_probability": ("gauge", {"watch", "camera"}),
    "hermes_watch_value": ("gauge", {"watch", "camera"}),
    "hermes_watch_choice": ("gauge", {"watch", "camera", "choice"}),
    "hermes_watch_open": ("gauge", {"watch", "camera"}),
    "hermes_watch_evaluated_timestamp_seconds": ("gauge", {"watch", "camera"}),
    "hermes_watch_lag_seconds": ("histogram", set()),
    "hermes_watch_evaluations_total": ("counter", {"watch", "outcome"}),
    "hermes_events_total": ("counter", {"watch", "severity", "type"}),
    "hermes_notifications_total": ("counter", {"sink", "outcome"}),
    "hermes_notification_lag_seconds": ("histogram", {"sink"}),
    "hermes_notifications_pending": ("gauge", {"sink"}),
    "hermes_notification_dead_letters": ("gauge", {"sink"}),
}


@pytest.fixture
def metrics() -> Metrics:
    return metrics_with_series()


def test_names_are_the_same_in_both_formats(metrics: Metrics) -> None:
    """Only OpenMetrics has exemplars; neither format has the creation time of a series."""
    ids = {"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331"}
    metrics.time_to_first_token.labels("m", "warm").observe(0.02, ids)
    metrics.query_duration.labels("m").observe(0.02, ids)
    plain = generate_latest(metrics.registry).decode()
    encode, _ = choose_encoder("application/openmetrics-text")
    open_metrics = encode(metrics.registry).decode()
    assert open_metrics.endswith("# EOF\n")
    assert series(open_metrics) == series(plain) > {"hermes_queries_total"}
    assert not [name for name in series(plain) if name.endswith("_created")]
    assert "trace_id" not in plain
    assert open_metrics.count(f'trace_id="{ids["trace_id"]}"') == 2


def series(text: str) -> set[str]:
    return {line.partition("{")[0].split(" ")[0] for line in text.splitlines() if line[0] != "#"}


def exported(metrics: Metrics) -> dict[str, tuple[str, set[str]]]:
    found = {}
    for family in text_string_to_metric_families(generate_latest(metrics.registry).decode()):
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        if name.startswith("hermes_"):
            found[name] = (family.type, labels)
    return found


def camera_series(metrics: Metrics, camera: str) -> int:
    return generate_latest(metrics.registry).decode().count(f'camera="{camera}"')


def test_names_kinds_and_labels(metrics: Metrics) -> None:
    assert exported(metrics) == EXPECTED


def test_no_histogram_has_a_camera_label() -> None:
    for kind, labels in EXPECTED.values():
        assert not (kind == "histogram" and "camera" in labels)


def test_the_buckets_of_the_time_to_first_token(metrics: Metrics) -> None:
    text = generate_latest(metrics.registry).decode()
    for bound in TTFT_BUCKETS:
        assert f'seconds_bucket{{le="{float(bound)}",model="m",stage="warm"}}' in text
    assert TTFT_BUCKETS[0] == 0.0025
    assert TTFT_BUCKETS[-1] == 30
    assert len(TTFT_BUCKETS) == 20


def test_a_removed_camera_leaves_no_series(metrics: Metrics) -> None:
    before = camera_series(metrics, "dock")
    assert camera_series(metrics, "lobby") == before == 27
    metrics.forget("lobby")
    metrics.forget("nobody")
    assert camera_series(metrics, "lobby") == 0
    assert camera_series(metrics, "dock") == before


def test_series_recreated_by_a_late_thread_are_removed_by_the_next_sweep(metrics: Metrics) -> None:
    metrics.forget("lobby")
    metrics.frames.labels("lobby", "encoded").inc()
    metrics.retain({"dock": object()})
    assert camera_series(metrics, "lobby") == 0
    assert camera_series(metrics, "dock") == 27


def test_two_instances_share_nothing(metrics: Metrics) -> None:
    assert camera_series(Metrics(), "lobby") == 0
