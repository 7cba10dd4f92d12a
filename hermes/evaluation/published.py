"""Figures that papers report, to stand beside ours. Each has its source and its date."""

from __future__ import annotations

from dataclasses import dataclass

HERMES_PAPER = "arXiv 2601.14724 v3, 2026-04-15"
SIMPLE_STREAM = "arXiv 2604.02317 v1, 2026-04-02, abstract"


@dataclass(frozen=True, slots=True)
class Published:
    """`row`: the row of our table that it stands beside. `value`: in percent."""

    benchmark: str
    row: str
    system: str
    model: str
    value: float
    source: str


def _hermes(model: str, system: str, streaming: float, ovo: float) -> list[Published]:
    return [
        Published("streamingbench", "all of real", system, model, streaming, HERMES_PAPER),
        Published("ovobench", "average without forward", system, model, ovo, HERMES_PAPER),
    ]


def _rvs(system: str, ego: float, movie: float) -> list[Published]:
    model = "LLaVA-OneVision-7B"
    return [
        Published("rvs", "RVS-Ego", system, model, ego, HERMES_PAPER),
        Published("rvs", "RVS-Movie", system, model, movie, HERMES_PAPER),
    ]


BASE, SMALL, LARGE = "the model alone", "HERMES, 4K tokens", "HERMES, 6K tokens"

PUBLISHED: tuple[Published, ...] = (
    *_hermes("LLaVA-OneVision-7B", BASE, 71.34, 53.35),
    *_hermes("LLaVA-OneVision-7B", SMALL, 73.23, 58.27),
    *_hermes("LLaVA-OneVision-7B", LARGE, 72.63, 56.94),
    *_hermes("Qwen2.5-VL-7B", BASE, 73.31, 52.28),
    *_hermes("Qwen2.5-VL-7B", SMALL, 79.44, 59.21),
    *_hermes("Qwen2.5-VL-7B", LARGE, 78.72, 58.26),
    *_hermes("Qwen2.5-VL-32B", BASE, 74.27, 57.37),
    *_hermes("Qwen2.5-VL-32B", SMALL, 80.08, 63.90),
    *_hermes("Qwen2.5-VL-32B", LARGE, 80.20, 64.82),
    *_hermes("Qwen3-VL-8B", BASE, 78.92, 57.84),
    *_hermes("Qwen3-VL-8B", SMALL, 81.28, 61.29),
    *_hermes("Qwen3-VL-8B", LARGE, 81.32, 60.00),
    *_rvs(BASE, 56.2, 43.0),
    *_rvs(SMALL, 58.3, 54.4),
    *_rvs(LARGE, 60.3, 54.4),
    Published(
        "streamingbench",
        "all of real",
        "SimpleStream, 4 frames",
        "the best of its models",
        80.59,
        SIMPLE_STREAM,
    ),
    Published(
        "ovobench",
        "average without forward",
        "SimpleStream, 4 frames",
        "the best of its models",
        67.7,
        SIMPLE_STREAM,
    ),
)


def published_for(benchmark: str) -> list[Published]:
    """The figures of a benchmark."""
    return [one for one in PUBLISHED if one.benchmark == benchmark]
