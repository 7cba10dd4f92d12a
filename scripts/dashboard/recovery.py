"""Panels: leases, takeovers and checkpoints."""

from __future__ import annotations

from scripts.dashboard.panel import Panel, quantiles, rate

PANELS = (
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
