"""A panel of a Grafana dashboard, and the queries that many panels share."""

from __future__ import annotations

from dataclasses import dataclass

STATES = {1: "pending", 2: "connecting", 3: "online", 4: "offline", 5: "ended", 6: "failed"}
"""hermes.v1.SourceState."""

MODEL = 'model=~"$model"'
"""Selects what belongs to the models that are chosen at the top of the dashboard."""


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
    least: float | None = 0
    """Where its axis begins; None: at the least value that is shown."""
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
