"""Panels: how full memories are and how they are compressed."""

from __future__ import annotations

from scripts.dashboard.panel import Panel, rate

PANELS = (
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
        "Bytes of pictures",
        "Pictures that are kept in host memory beside all memories of a worker.",
        "bytes",
        {"{{instance}}": "sum by (instance) (hermes_kept_pictures_bytes)"},
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
