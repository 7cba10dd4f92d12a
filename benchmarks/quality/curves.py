"""Accuracy against the age of the evidence, and against the budget, as pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot

from benchmarks.quality.score import Verdict, share_of
from hermes.demo.questions import KINDS
from hermes.evaluation.share import Share

_STYLES: dict[str, dict[str, Any]] = {
    "hermes": {"color": "#1f6feb", "linewidth": 2.6, "zorder": 5},
    "hermes-paper": {"color": "#8250df", "linewidth": 1.6},
    "sliding-window": {"color": "#cf222e", "linewidth": 1.6},
    "uniform": {"color": "#2da44e", "linewidth": 1.6},
    "attention-sinks": {"color": "#bf8700", "linewidth": 1.6},
    "last-frames": {"color": "#8c959f", "linewidth": 1.6, "linestyle": "--"},
    "frame-retrieval": {"color": "#24292f", "linewidth": 1.6, "linestyle": ":"},
}


Shares = Mapping[str, Sequence[Share]]


def by_age(results: Mapping[str, Sequence[Verdict]], edges: Sequence[float]) -> Shares:
    """Right answers about the past, by how many frames ago their evidence was last seen."""
    found = {}
    for name, verdicts in results.items():
        if name in _STYLES:
            past = [v for v in verdicts if KINDS[v.kind][0] == "past" and v.age is not None]
            found[name] = [
                share_of(v for v in past if v.age is not None and low <= v.age < high)
                for low, high in pairwise(edges)
            ]
    return found


def record(shares: Shares, path: Path) -> None:
    """Keep the figures of a picture, so that it can be drawn again without measuring again."""
    plain = {name: [[share.right, share.asked] for share in row] for name, row in shares.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(plain, indent=1) + "\n")


def recorded(path: Path) -> Shares:
    """The figures that `record` kept."""
    return {
        name: [Share(*pair) for pair in row] for name, row in json.loads(path.read_text()).items()
    }


def against_age(shares: Shares, edges: Sequence[float], budget_frames: float, path: Path) -> None:
    """Draw what `by_age` found. All words are outside the axes: none can lie over a curve."""
    figure, axes = pyplot.subplots(figsize=(8, 4.6), layout="constrained")
    for name, row in shares.items():
        _line(axes, [(low + high) / 2 for low, high in pairwise(edges)], row, name)
    axes.axvline(
        budget_frames,
        color="#57606a",
        linewidth=1,
        linestyle=(0, (2, 3)),
        label=f"budget: {budget_frames:g} frames",
    )
    axes.set_xlabel("frames since the evidence was last seen")
    _finish(figure, axes, "Questions about the past", path)


def against_budget(
    results: Mapping[int, Mapping[str, Sequence[Verdict]]], frame_tokens: int, path: Path
) -> None:
    """All questions, by budget."""
    figure, axes = pyplot.subplots(figsize=(8, 4.6), layout="constrained")
    budgets = sorted(results)
    for name in results[budgets[0]]:
        if name in _STYLES:
            shares = [share_of(results[budget][name]) for budget in budgets]
            _line(axes, budgets, shares, name)
    axes.set_xticks(budgets, [f"{b}\n{b / frame_tokens:g} frames" for b in budgets])
    axes.set_xlabel("video tokens per layer")
    _finish(figure, axes, "All questions", path)


def _line(axes: Any, at: Sequence[float], shares: Sequence[Share], name: str) -> None:
    known = [(x, share) for x, share in zip(at, shares, strict=True) if share.asked]
    style = _STYLES[name]
    axes.plot([x for x, _ in known], [s.value for _, s in known], marker="o", label=name, **style)
    if name in ("hermes", "sliding-window", "uniform"):
        axes.fill_between(
            [x for x, _ in known],
            [s.interval[0] for _, s in known],
            [s.interval[1] for _, s in known],
            color=style["color"],
            alpha=0.12,
            linewidth=0,
        )


def _finish(figure: Any, axes: Any, title: str, path: Path) -> None:
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("answers that are right")
    axes.set_title(title, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#d0d7de", linewidth=0.6)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
