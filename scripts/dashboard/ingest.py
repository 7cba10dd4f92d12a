"""Panels: which frames come in and which are lost."""

from __future__ import annotations

from scripts.dashboard.panel import Panel, rate

PANELS = (
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
        "Tokens of frames",
        "Video tokens a second. taken: they were new and went into memory; unchanged: they looked"
        " as their place did before, and were left out.",
        "cps",
        {"{{outcome}}": rate("hermes_frame_tokens_total", "outcome")},
    ),
    Panel(
        "Cameras that change most",
        "Share of a frame's tokens that was taken in, over the last frames of each camera.",
        "percentunit",
        {"{{camera}}": "topk(10, hermes_frame_taken_ratio)"},
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
            ' hermes:frames:increase10m{outcome=~"dropped_stale|trimmed|decode_error|damaged|'
            'missed"} > 0)'
        },
        kind="table",
        width=24,
    ),
)
