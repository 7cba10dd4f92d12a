"""Panels: whether every camera and every process is well."""

from __future__ import annotations

from scripts.dashboard.panel import MODEL, STATES, Panel, quantiles


def ttft(stage: str, meaning: str) -> Panel:
    return Panel(
        f"Time to first token, {stage}",
        meaning,
        "s",
        quantiles("hermes_time_to_first_token_seconds", f'stage="{stage}",{MODEL}'),
        thresholds=((0.5, "red"),) if stage == "gateway" else (),
        exemplars=True,
    )


PANELS = (
    Panel(
        "Cameras by state",
        "All cameras, those that workers have room for, and those that a decoder has by the state"
        " of their source.",
        "short",
        {
            "registered": 'max(hermes_cameras_registered{job="hermes-gateway"})',
            "room": 'sum(hermes_camera_capacity{job="hermes-worker"})',
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
