"""The panels of the Grafana dashboard: what each shows, in which unit, by which query."""

from __future__ import annotations

from dataclasses import dataclass

STATES = {1: "pending", 2: "connecting", 3: "online", 4: "offline", 5: "ended", 6: "failed"}
"""hermes.v1.SourceState."""


MODEL = 'model=~"$model"'


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel; `queries` are its legends, each with its PromQL."""

    title: str
    description: str
    unit: str
    queries: dict[str, str]
    kind: str = "timeseries"
    width: int = 8
    height: int = 8
    stacked: bool = False
    thresholds: tuple[tuple[float, str], ...] = ()
    """From which value on the panel has which colour."""
    names: dict[int, str] | None = None
    """What is shown in place of a number."""
    exemplars: bool = False
    """Whether observations that have a trace are shown as points."""


def rate(metric: str, by: str, where: str = "") -> str:
    selector = f"{metric}{{{where}}}" if where else metric
    return f"sum by ({by}) (rate({selector}[$__rate_interval]))"


def quantiles(histogram: str, where: str = "") -> dict[str, str]:
    buckets = rate(f"{histogram}_bucket", "le", where)
    return {f"p{p}": f"histogram_quantile({p / 100}, {buckets})" for p in (50, 95, 99)}


def ttft(stage: str, meaning: str) -> Panel:
    return Panel(
        f"Time to first token, {stage}",
        meaning,
        "s",
        quantiles("hermes_time_to_first_token_seconds", f'stage="{stage}",{MODEL}'),
        thresholds=((0.5, "red"),) if stage == "gateway" else (),
        exemplars=True,
    )


FLEET = (
    Panel(
        "Cameras by state",
        "All cameras, and those that a decoder has by the state of their source.",
        "short",
        {
            "registered": 'max(hermes_cameras_registered{job="hermes-gateway"})',
            **{
                name: f'sum(hermes_camera_state{{job="hermes-decoder"}} == bool {number})'
                for number, name in STATES.items()
            },
        },
        kind="bargauge",
    ),
    Panel(
        "Processes up and ready",
        "Processes whose metrics could be scraped, and those that say they are ready, by service.",
        "short",
        {
            "{{job}} up": 'sum by (job) (up{job=~"hermes-.*"})',
            "{{job}} ready": 'sum by (job) (hermes_ready{job=~"hermes-.*"})',
        },
        kind="stat",
        thresholds=((0, "red"), (1, "green")),
    ),
    Panel(
        "Frame lag",
        "From capture of a frame until it is in memory, over all cameras. Frames that were read"
        " again after a takeover are left out.",
        "s",
        quantiles("hermes_frame_lag_seconds"),
        thresholds=((5, "red"),),
    ),
    ttft("warm", "From the moment the memory was ready for the question."),
    ttft("fresh", "From the worker's receipt of the question, frames captured before it included."),
    ttft("gateway", "As the gateway's client sees it. The objective: 99 of 100 within 0.5 s."),
    Panel(
        "Device memory in use",
        "Allocated, as a share of what the worker's process has reserved and what is free. Not on"
        " a CPU, where there is no such limit.",
        "percentunit",
        {"{{instance}} {{device}}": "hermes:device_memory_used:ratio"},
        thresholds=((0.95, "red"),),
    ),
    Panel(
        "Device memory",
        "Allocated, reserved, peak and free bytes. On a CPU: resident size of the process.",
        "bytes",
        {
            "{{instance}} {{device}} {{kind}}": (
                "sum by (instance, device, kind) (hermes_device_memory_bytes)"
            )
        },
    ),
    Panel(
        "Cameras that lag most",
        "Lag of the last frame. A camera whose frames stopped keeps its last value.",
        "s",
        {"{{camera}}": "topk(5, max by (camera) (hermes_frame_lag_last_seconds))"},
        thresholds=((5, "red"),),
    ),
    Panel(
        "Threads that are late",
        "Threads that stopped, are stuck, or fail in every round, by process. /healthz names them.",
        "short",
        {"{{job}} {{instance}}": "sum by (job, instance) (hermes_threads_late)"},
        kind="stat",
        width=12,
        height=6,
        thresholds=((0, "green"), (1, "red")),
    ),
    Panel(
        "Oldest heartbeat",
        "Since a long-lived thread, or task of an event loop, last finished a round: the oldest.",
        "s",
        {
            "{{job}} {{instance}} {{thread}}": (
                "topk(5, max by (job, instance, thread) (hermes_thread_heartbeat_age_seconds))"
            )
        },
        width=12,
        height=6,
        thresholds=((60, "red"),),
    ),
)

QUESTIONS = (
    Panel(
        "Questions by status, gateway",
        "Questions that ended, by gRPC status, as clients saw them.",
        "reqps",
        {"{{code}}": rate("hermes_queries_total", "code", 'job="hermes-gateway"')},
        stacked=True,
    ),
    Panel(
        "Questions by status, workers",
        "The same at the workers. The gateway tries some of them again.",
        "reqps",
        {"{{code}}": rate("hermes_queries_total", "code", 'job="hermes-worker"')},
        stacked=True,
    ),
    Panel(
        "Calls refused at the door",
        "Calls that the gateway's guard refused, by reason: no valid token, no scope, the caller's"
        " own limit, no key to check a token with. None while authentication is off.",
        "reqps",
        {"{{reason}}": rate("hermes_refused_calls_total", "reason")},
        stacked=True,
    ),
    Panel(
        "Answers that begin too late",
        "Share of answers whose first token took more than 0.5 s at the gateway. 1 % is what the"
        " objective allows.",
        "percentunit",
        {
            window: f"hermes:ttft_slow:ratio_rate{window}"
            for window in ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
        },
        thresholds=((0.01, "red"),),
    ),
    Panel(
        "Time in the queue",
        "Time that a question waited for the device behind other work.",
        "s",
        quantiles("hermes_query_queue_seconds", MODEL),
    ),
    Panel(
        "Time between tokens",
        "Time between two tokens of one answer.",
        "s",
        quantiles("hermes_inter_token_latency_seconds", MODEL),
    ),
    Panel(
        "Duration of a question",
        "From a worker's receipt of a question to its last token.",
        "s",
        quantiles("hermes_query_duration_seconds", MODEL),
        exemplars=True,
    ),
)

MEMORY = (
    Panel(
        "Tokens by band",
        "Video tokens that a layer holds: mean over the layers of a band, mean over the cameras.",
        "short",
        {"{{band}}": "avg by (band) (hermes_memory_tokens)"},
    ),
    Panel(
        "Bytes by band",
        "KV cache of all cameras, by the layers of a band.",
        "bytes",
        {"{{band}}": "sum by (band) (hermes_memory_bytes)"},
        stacked=True,
    ),
    Panel(
        "Bytes by worker",
        "KV cache of all cameras of a worker.",
        "bytes",
        {"{{instance}}": "sum by (instance) (hermes_memory_bytes)"},
        stacked=True,
    ),
    Panel(
        "Compressions",
        "Compressions of a camera's memory a second.",
        "ops",
        {"{{instance}}": rate("hermes_compressions_total", "instance", 'job="hermes-worker"')},
    ),
    Panel(
        "Evicted tokens",
        "Video tokens evicted a second, summed over all layers.",
        "cps",
        {"{{instance}}": rate("hermes_evicted_tokens_total", "instance", 'job="hermes-worker"')},
    ),
    Panel(
        "Passes tried again",
        "Passes over frames a second that failed, for want of memory for example, and were tried"
        " in halves.",
        "ops",
        {"{{instance}}": rate("hermes_pass_retries_total", "instance", 'job="hermes-worker"')},
    ),
)

INGEST = (
    Panel(
        "Frames, decoders",
        "Frames a second by what a decoder did with them. encoded: published to the log.",
        "cps",
        {"{{outcome}}": rate("hermes_frames_total", "outcome", 'job="hermes-decoder"')},
    ),
    Panel(
        "Frames, workers",
        "Frames a second by what a worker did with them. encoded: in memory; unchanged: left out"
        " by the similarity gate.",
        "cps",
        {"{{outcome}}": rate("hermes_frames_total", "outcome", 'job="hermes-worker"')},
    ),
    Panel(
        "Frame lag, distribution",
        "Frames a second by their lag: from capture to memory.",
        "s",
        {"{{le}}": rate("hermes_frame_lag_seconds_bucket", "le")},
        kind="heatmap",
    ),
    Panel(
        "Cameras that lose most",
        "Frames lost in the last ten minutes: too old, trimmed unread, unreadable, or damaged.",
        "short",
        {
            "{{camera}} {{outcome}} {{job}}": "topk(10,"
            " hermes:frames:increase10m"
            '{outcome=~"dropped_stale|trimmed|decode_error|damaged|missed"} > 0)'
        },
        kind="table",
        width=24,
    ),
)

RECOVERY = (
    Panel(
        "Cameras by process",
        "Cameras that each worker and decoder owns.",
        "short",
        {"{{job}} {{instance}}": "count by (job, instance) (hermes_camera_owner_epoch)"},
        stacked=True,
    ),
    Panel(
        "Lost leases",
        "Leases that another instance took over from a live owner, in an hour.",
        "short",
        {"{{job}}": "sum by (job) (increase(hermes_lease_lost_total[1h]))"},
        thresholds=((1, "red"),),
    ),
    Panel(
        "Fenced writes",
        "Writes that were refused for an outdated epoch, in an hour. Should be none.",
        "short",
        {
            "{{job}} {{instance}}": "sum by (job, instance)"
            " (increase(hermes_fenced_writes_total[1h]))"
        },
        thresholds=((1, "red"),),
    ),
    Panel(
        "Takeovers",
        "From taking over a camera until its memory has caught up.",
        "s",
        quantiles("hermes_takeover_seconds"),
    ),
    Panel(
        "Frames read again",
        "Frames a second that were read again after a takeover.",
        "cps",
        {"{{instance}}": rate("hermes_replayed_frames_total", "instance", 'job="hermes-worker"')},
    ),
    Panel(
        "Restores",
        "Memories of cameras that were taken over, in 15 minutes, by where they came from: newest"
        " checkpoint, an older one, the log (there was no checkpoint), lost (none could be used).",
        "short",
        {"{{outcome}}": "sum by (outcome) (hermes:restores:increase15m)"},
    ),
    Panel(
        "Age of checkpoints",
        "Age of each worker's oldest newest checkpoint. It grows for a camera that has no news.",
        "s",
        {"{{instance}}": "max by (instance) (hermes_checkpoint_age_seconds)"},
        thresholds=((240, "red"),),
    ),
    Panel(
        "Checkpoints",
        "Checkpoints in 15 minutes by what became of them.",
        "short",
        {"{{instance}} {{outcome}}": "hermes:checkpoints:increase15m"},
    ),
    Panel(
        "Bytes of checkpoints",
        "Bytes of committed snapshots a second.",
        "Bps",
        {"{{instance}}": rate("hermes_checkpoint_bytes_total", "instance", 'job="hermes-worker"')},
    ),
    Panel(
        "Duration of checkpoints",
        "From the wish for a checkpoint to its being committed.",
        "s",
        quantiles("hermes_checkpoint_seconds"),
        width=24,
    ),
)

CAMERA = (
    Panel(
        "State",
        "State of the source, as its decoder sees it.",
        "short",
        {"{{instance}}": 'hermes_camera_state{job="hermes-decoder",camera="$camera"}'},
        kind="state-timeline",
        thresholds=((0, "yellow"), (3, "green"), (4, "red"), (5, "blue"), (6, "red")),
        names=STATES,
    ),
    Panel(
        "Lag of the last frame",
        "From capture to memory. Keeps its last value when frames stop.",
        "s",
        {"{{instance}}": 'hermes_frame_lag_last_seconds{camera="$camera"}'},
        thresholds=((5, "red"),),
    ),
    Panel(
        "Frames",
        "Frames a second by what became of them at the decoder and at the worker.",
        "cps",
        {"{{job}} {{outcome}}": rate("hermes_frames_total", "job, outcome", 'camera="$camera"')},
    ),
    Panel(
        "Tokens of its memory",
        "Video tokens that a layer holds: mean over the layers of a band.",
        "short",
        {"{{instance}} {{band}}": 'hermes_memory_tokens{camera="$camera"}'},
    ),
    Panel(
        "Bytes of its memory",
        "KV cache by the layers of a band.",
        "bytes",
        {"{{instance}} {{band}}": 'hermes_memory_bytes{camera="$camera"}'},
        stacked=True,
    ),
    Panel(
        "Age of its checkpoint",
        "How old its newest checkpoint is; since it was taken over, if it has none.",
        "s",
        {"{{instance}}": 'hermes_checkpoint_age_seconds{camera="$camera"}'},
        thresholds=((240, "red"),),
    ),
    Panel(
        "Owners",
        "Epoch of the worker and of the decoder that own it. Epochs are milliseconds since 1970,"
        " or one more than the last: the time at which the owner took it.",
        "dateTimeAsIso",
        {"{{job}} {{instance}}": 'hermes_camera_owner_epoch{camera="$camera"}'},
        kind="table",
        width=24,
        height=5,
    ),
)

ROWS = {
    "Fleet at a glance": FLEET,
    "Questions": QUESTIONS,
    "Memory by band": MEMORY,
    "Ingest and drops": INGEST,
    "Ownership and recovery": RECOVERY,
    "One camera in depth: $camera": CAMERA,
}
