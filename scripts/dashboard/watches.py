"""Panels: what watches find, and whether they are asked."""

from __future__ import annotations

from scripts.dashboard.panel import Panel, quantiles, rate
from scripts.dashboard.row import Row

WATCH = 'watch=~"$watch"'
"""Selects the watches that are chosen at the top; in a repeated row, the watch of the row."""
SHOWN = f'{WATCH},camera=~"$camera"'
"""Selects those watches of the cameras that are chosen at the top."""
OPEN = {0: "closed", 1: "open"}
LATE_S = 600
"""Age of an evaluation from which on an alert tells of it."""


def newest(metric: str, by: str = "camera") -> str:
    """A gauge by camera, of whichever worker has it. Two have one only while a camera moves."""
    return f"max by ({by}) ({metric}{{{SHOWN}}})"


ALL = (
    Panel(
        "Open events",
        "Watches and cameras of which an event is open now.",
        "short",
        {"{{watch}}": f"sum by (watch) (max by (watch, camera) (hermes_watch_open{{{SHOWN}}}))"},
        kind="stat",
        height=7,
        thresholds=((0, "green"), (1, "red")),
    ),
    Panel(
        "Events of the last day",
        "Messages about events by watch, severity and type. A diary's notes are events, too.",
        "short",
        {
            "events": "sum by (watch, severity, type)"
            f" (increase(hermes_events_total{{{WATCH}}}[1d]))"
        },
        kind="table",
        height=7,
    ),
    Panel(
        "Oldest evaluations",
        "Since a watch was last answered, of a camera: the oldest. A camera without frames is not"
        " asked anything, so its watches grow old with it.",
        "s",
        {"{{watch}} {{camera}}": f"topk(5, hermes:watch_evaluation_age:seconds{{{SHOWN}}})"},
        height=7,
        thresholds=((LATE_S, "red"),),
    ),
    Panel(
        "Lag of watches",
        "From capture of the newest frame that an evaluation saw until its end, over all watches.",
        "s",
        quantiles("hermes_watch_lag_seconds"),
        height=7,
        thresholds=((5, "red"),),
    ),
    Panel(
        "Lag of watches by worker",
        "19 of 20 evaluations of the last five minutes were faster.",
        "s",
        {"{{instance}}": "hermes:watch_lag:p95_rate5m"},
        height=7,
        thresholds=((5, "red"),),
    ),
    Panel(
        "Evaluations of all watches",
        "Evaluations a second by outcome. Skipped: there was no time for it.",
        "cps",
        {"{{outcome}}": rate("hermes_watch_evaluations_total", "outcome", WATCH)},
        height=7,
        stacked=True,
    ),
)

ONE = (
    Panel(
        "Open or closed",
        "Whether an event of a camera was open.",
        "short",
        {"{{camera}}": newest("hermes_watch_open")},
        kind="state-timeline",
        width=16,
        thresholds=((0, "green"), (1, "red")),
        names=OPEN,
    ),
    Panel(
        "Events a day",
        "Events within the day before each moment, by severity and type.",
        "short",
        {
            "{{severity}} {{type}}": "sum by (severity, type)"
            f" (increase(hermes_events_total{{{WATCH}}}[1d]))"
        },
    ),
    Panel(
        "By camera",
        "The probability of yes, or of each choice: the more likely, the redder.",
        "percentunit",
        {
            "{{camera}}": newest("hermes_watch_probability"),
            "{{camera}} {{choice}}": newest("hermes_watch_choice", "camera, choice"),
        },
        kind="status-history",
        width=16,
    ),
    Panel(
        "Probability",
        "The same as curves: of yes, or of each choice.",
        "percentunit",
        {
            "{{camera}}": newest("hermes_watch_probability"),
            "{{camera}} {{choice}}": newest("hermes_watch_choice", "camera, choice"),
        },
    ),
    Panel(
        "Value",
        "The number that was found, if the watch asks for one.",
        "short",
        {"{{camera}}": newest("hermes_watch_value")},
        least=None,
    ),
    Panel(
        "Age of the last evaluation",
        "Since the watch was last answered, by camera.",
        "s",
        {"{{camera}}": f"hermes:watch_evaluation_age:seconds{{{SHOWN}}}"},
        thresholds=((LATE_S, "red"),),
    ),
    Panel(
        "Evaluations by outcome",
        "Evaluations within ten minutes: read, skipped (no time for it), failed, or out of range (a"
        " number beyond the watch's limits).",
        "short",
        {"{{outcome}}": f"sum by (outcome) (hermes:watch_evaluations:increase10m{{{WATCH}}})"},
        stacked=True,
    ),
)

ROWS = (Row("All watches", ALL), Row("$watch", ONE, repeat="watch"))
