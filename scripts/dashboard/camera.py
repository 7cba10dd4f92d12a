"""Panels: everything about one camera."""

from __future__ import annotations

from scripts.dashboard.panel import STATES, Panel, rate

PANELS = (
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
        "Bytes of its pictures",
        "Pictures that are kept beside its memory. They stay within the worker's bound.",
        "bytes",
        {"{{instance}}": 'hermes_kept_pictures_bytes{camera="$camera"}'},
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
