"""The Grafana dashboards."""

from __future__ import annotations

from dataclasses import dataclass

from scripts.dashboard import rows, watches
from scripts.dashboard.row import Row


@dataclass(frozen=True, slots=True)
class Variable:
    """What is chosen at the top: values of the label `name`, which series of `metric` have."""

    name: str
    label: str
    metric: str
    several: bool = False


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard. Its id is also its file's name."""

    uid: str
    title: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]


LIVE = Board(
    "hermes-live",
    "HERMES Live",
    (
        Variable("model", "Model", "hermes_time_to_first_token_seconds_count", several=True),
        Variable("camera", "Camera", "hermes_camera_owner_epoch"),
    ),
    rows.ROWS,
)
WATCHES = Board(
    "hermes-watches",
    "What cameras show",
    (
        Variable("watch", "Watch", "hermes_watch_evaluations_total", several=True),
        Variable("camera", "Camera", "hermes_watch_evaluated_timestamp_seconds", several=True),
    ),
    watches.ROWS,
)
BOARDS = (LIVE, WATCHES)
