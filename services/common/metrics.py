"""Every metric of HERMES Live, in one place, in base units.

A camera is never a label of a histogram, and a camera's gauges and counters
are removed with it, so the number of series is bounded by the number of cameras.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

from services.common.heartbeats import Heartbeats

TTFT_BUCKETS = (
    0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.06,
    0.08, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30,
)  # fmt: skip
TOKEN_BUCKETS = (0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
LAG_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300)
ALERTED_CODES = (
    "OK", "UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "INTERNAL", "UNKNOWN",
    "DATA_LOSS", "ABORTED",
)  # fmt: skip
"""Codes that a gateway exports as 0 from the start, so that the first failure shows as a rate."""


class Metrics:
    """The metrics of one process. Each service uses a part of them."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # they double the series
        registry = CollectorRegistry() if registry is None else registry
        self.registry = registry
        ProcessCollector(registry=registry)
        self.ready = Gauge(
            "hermes_ready",
            "1 while /readyz reports ready, otherwise 0; /readyz gives the reason.",
            registry=registry,
        )
        self.threads = ThreadMetrics()
        registry.register(self.threads)
        self.time_to_first_token = Histogram(
            "hermes_time_to_first_token_seconds",
            "Time to first token. warm: memory was ready; fresh: from the worker's receipt of the"
            " question, frames captured before it included; gateway: as the gateway's client"
            " sees it.",
            ["model", "stage"],
            buckets=TTFT_BUCKETS,
            registry=registry,
        )
        self.inter_token_latency = Histogram(
            "hermes_inter_token_latency_seconds",
            "Time between two tokens of one answer.",
            ["model"],
            buckets=TOKEN_BUCKETS,
            registry=registry,
        )
        self.query_duration = Histogram(
            "hermes_query_duration_seconds",
            "From receipt of a question to its last token.",
            ["model"],
            buckets=TTFT_BUCKETS,
            registry=registry,
        )
        self.query_queue = Histogram(
            "hermes_query_queue_seconds",
            "Time a question waited for the device to finish other work.",
            ["model"],
            buckets=TTFT_BUCKETS,
            registry=registry,
        )
        self.queries = Counter(
            "hermes_queries",
            "Questions that ended, by gRPC status code.",
            ["code"],
            registry=registry,
        )
        self.question_forms = Counter(
            "hermes_question_forms",
            "Questions that the gateway took, by what their answer looks like: text, choices,"
            " json_schema, regex.",
            ["form"],
            registry=registry,
        )
        self.refused_calls = Counter(
            "hermes_refused_calls",
            "Calls that the gateway's guard refused, by the error's reason: UNAUTHENTICATED (no"
            " valid token), PERMISSION_DENIED (no scope for it), OVERLOADED and LIMIT_REACHED (the"
            " caller's own limits), UNAVAILABLE (no key to check the token with).",
            ["reason"],
            registry=registry,
        )
        self.frame_lag = Histogram(
            "hermes_frame_lag_seconds",
            "From capture of a frame until it is in memory.",
            buckets=LAG_BUCKETS,
            registry=registry,
        )
        self.frame_lag_last = Gauge(
            "hermes_frame_lag_last_seconds",
            "From capture of a camera's newest frame until it was in memory.",
            ["camera"],
            registry=registry,
        )
        self.frames = Counter(
            "hermes_frames",
            "Frames by outcome: encoded (in memory, or published by a decoder), unchanged (left out"
            " by the similarity gate), dropped_stale, trimmed, decode_error, damaged (left out"
            " until the stream was whole again), missed (wanted while the decoder was stopped).",
            ["camera", "outcome"],
            registry=registry,
        )
        self.frame_tokens = Counter(
            "hermes_frame_tokens",
            "Video tokens of frames by outcome: taken (in), or unchanged (left out, because their"
            " place looked the same before).",
            ["camera", "outcome"],
            registry=registry,
        )
        self.frame_taken = Gauge(
            "hermes_frame_taken_ratio",
            "Share of a frame's video tokens that was taken in, a mean over the last frames.",
            ["camera"],
            registry=registry,
        )
        self.memory_tokens = Gauge(
            "hermes_memory_tokens",
            "Video tokens held by a layer, the mean over the layers of a band.",
            ["camera", "band"],
            registry=registry,
        )
        self.memory_bytes = Gauge(
            "hermes_memory_bytes",
            "Bytes of KV cache held, over the layers of a band.",
            ["camera", "band"],
            registry=registry,
        )
        self.kept_pictures = Gauge(
            "hermes_kept_pictures_bytes",
            "Bytes of pictures that are kept beside a camera's memory.",
            ["camera"],
            registry=registry,
        )
        self.watch_probability = Gauge(
            "hermes_watch_probability",
            "The probability of yes that a watch found last, of a camera.",
            ["watch", "camera"],
            registry=registry,
        )
        self.watch_value = Gauge(
            "hermes_watch_value",
            "The number that a watch found last, of a camera.",
            ["watch", "camera"],
            registry=registry,
        )
        self.watch_choice = Gauge(
            "hermes_watch_choice",
            "The probability of each choice that a watch found last, of a camera.",
            ["watch", "camera", "choice"],
            registry=registry,
        )
        self.watch_open = Gauge(
            "hermes_watch_open",
            "1 while an event of a watch and a camera is open, otherwise 0.",
            ["watch", "camera"],
            registry=registry,
        )
        self.watch_evaluated = Gauge(
            "hermes_watch_evaluated_timestamp_seconds",
            "When a watch was last answered, of a camera (Unix time).",
            ["watch", "camera"],
            registry=registry,
        )
        self.watch_lag = Histogram(
            "hermes_watch_lag_seconds",
            "From capture of the newest frame that an evaluation saw until its end.",
            buckets=LAG_BUCKETS,
            registry=registry,
        )
        self.watch_evaluations = Counter(
            "hermes_watch_evaluations",
            "Evaluations of watches by outcome: read, skipped (no time for it), failed,"
            " out_of_range (a number beyond the watch's limits).",
            ["watch", "outcome"],
            registry=registry,
        )
        self.events = Counter(
            "hermes_events",
            "Messages about events by type: opened, closed, note.",
            ["watch", "severity", "type"],
            registry=registry,
        )
        self.compressions = Counter(
            "hermes_compressions", "Compressions of a camera's memory.", registry=registry
        )
        self.evicted_tokens = Counter(
            "hermes_evicted_tokens", "Video tokens evicted, over all layers.", registry=registry
        )
        self.pass_retries = Counter(
            "hermes_pass_retries",
            "Passes over frames that failed (out of memory, for example) and were tried in halves.",
            registry=registry,
        )
        self.device_memory = Gauge(
            "hermes_device_memory_bytes",
            "Memory of the device: allocated, reserved, peak, free.",
            ["device", "kind"],
            registry=registry,
        )
        self.cameras_registered = Gauge(
            "hermes_cameras_registered",
            "Cameras in the registry, whether or not a decoder and a worker own them.",
            registry=registry,
        )
        self.camera_capacity = Gauge(
            "hermes_camera_capacity",
            "Cameras that this worker has room for in all; 0 while its model loads.",
            registry=registry,
        )
        self.redis_evicts = Gauge(
            "hermes_redis_evicts",
            "Whether Redis may evict keys (1): its maxmemory-policy must be noeviction.",
            registry=registry,
        )
        self.camera_state = Gauge(
            "hermes_camera_state",
            "State of a camera's source, as the number of hermes.v1.SourceState.",
            ["camera"],
            registry=registry,
        )
        self.camera_owner_epoch = Gauge(
            "hermes_camera_owner_epoch",
            "Fencing epoch under which this process owns a camera.",
            ["camera"],
            registry=registry,
        )
        self.lease_lost = Counter(
            "hermes_lease_lost", "Leases that another instance took over.", registry=registry
        )
        self.fenced_writes = Counter(
            "hermes_fenced_writes", "Writes refused for an outdated epoch.", registry=registry
        )
        self.takeover = Histogram(
            "hermes_takeover_seconds",
            "From taking over a camera until its memory has caught up.",
            buckets=LAG_BUCKETS,
            registry=registry,
        )
        self.replayed_frames = Counter(
            "hermes_replayed_frames", "Frames read again after a takeover.", registry=registry
        )
        self.checkpoints = Counter(
            "hermes_checkpoints",
            "Checkpoints by outcome: committed, failed, fenced.",
            ["outcome"],
            registry=registry,
        )
        self.checkpoint_duration = Histogram(
            "hermes_checkpoint_seconds",
            "From the request for a checkpoint to its commit.",
            buckets=LAG_BUCKETS,
            registry=registry,
        )
        self.checkpoint_bytes = Counter(
            "hermes_checkpoint_bytes", "Bytes of committed snapshots.", registry=registry
        )
        self.checkpoint_age = Gauge(
            "hermes_checkpoint_age_seconds",
            "Age of a camera's newest checkpoint; time since it was taken over, if it has none.",
            ["camera"],
            registry=registry,
        )
        self.restores = Counter(
            "hermes_restores",
            "Cameras taken over, by the source of their memory: newest (checkpoint), older (the"
            " newest could not be used), log (there was no checkpoint), lost (none could be used).",
            ["outcome"],
            registry=registry,
        )
        self.notifications = Counter(
            "hermes_notifications",
            "Messages about events by sink and outcome: delivered, failed (a try; it is tried"
            " again), dead (given up, and kept as a dead letter), repeated (it was delivered"
            " before), passed_over (the sink cannot say such), unreadable (no message that this"
            " version knows), trimmed (no longer kept when it was to be sent).",
            ["sink", "outcome"],
            registry=registry,
        )
        self.notification_lag = Histogram(
            "hermes_notification_lag_seconds",
            "From a message's entry in the stream of events until the sink had it.",
            ["sink"],
            buckets=LAG_BUCKETS,
            registry=registry,
        )
        self.notifications_pending = Gauge(
            "hermes_notifications_pending",
            "Messages that a sink of this process has not taken yet.",
            ["sink"],
            registry=registry,
        )
        self.dead_letters = Gauge(
            "hermes_notification_dead_letters",
            "Messages that were given up and are kept, of a sink of this process.",
            ["sink"],
            registry=registry,
        )
        self._by_camera: tuple[MetricWrapperBase, ...] = (
            self.frame_lag_last,
            self.frames,
            self.frame_tokens,
            self.frame_taken,
            self.memory_tokens,
            self.memory_bytes,
            self.kept_pictures,
            self.camera_state,
            self.camera_owner_epoch,
            self.checkpoint_age,
            self.watch_probability,
            self.watch_value,
            self.watch_choice,
            self.watch_open,
            self.watch_evaluated,
        )

    def forget(self, camera_id: str) -> None:
        """Remove every series of a camera."""
        for metric in self._by_camera:
            metric.remove_by_labels({"camera": camera_id})

    def retain(self, camera_ids: Collection[str]) -> None:
        """Remove the series of all other cameras.

        A thread that was still working on a camera when it was forgotten may have
        created its series again.
        """
        for metric in self._by_camera:
            labelled = {
                sample.labels["camera"] for family in metric.collect() for sample in family.samples
            }
            for camera_id in labelled.difference(camera_ids):
                metric.remove_by_labels({"camera": camera_id})


class ThreadMetrics(Collector):
    """The heartbeats of the process's threads, read at every scrape."""

    def __init__(self) -> None:
        self.heartbeats = Heartbeats()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Both gauges. A thread that ended as planned has no series."""
        heartbeats = self.heartbeats.all()
        ages = GaugeMetricFamily(
            "hermes_thread_heartbeat_age_seconds",
            "Seconds since a long-lived thread, or task of an event loop, last finished a round.",
            labels=["thread"],
        )
        for heartbeat in heartbeats:
            ages.add_metric([heartbeat.name], heartbeat.age_s)
        yield ages
        yield GaugeMetricFamily(
            "hermes_threads_late",
            "Threads whose heartbeat is older than their limit: stopped, stuck, or failing in"
            " every round. /healthz fails and names them.",
            value=sum(heartbeat.late for heartbeat in heartbeats),
        )
