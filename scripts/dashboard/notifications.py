"""Panels: what the notifier sends to its sinks."""

from __future__ import annotations

from scripts.dashboard.panel import Panel

PANELS = (
    Panel(
        "Messages by outcome",
        "Messages about events a second, by sink and by what became of them.",
        "cps",
        {
            "{{sink}} {{outcome}}": "sum by (sink, outcome)"
            " (rate(hermes_notifications_total[$__rate_interval]))"
        },
    ),
    Panel(
        "Lag of messages",
        "From a message's entry in the stream of events until the sink had it, 95 of 100.",
        "s",
        {
            "{{sink}}": "histogram_quantile(0.95, sum by (sink, le)"
            " (rate(hermes_notification_lag_seconds_bucket[$__rate_interval])))"
        },
    ),
    Panel(
        "Messages that wait",
        "Messages that a sink has not taken yet.",
        "short",
        {"{{sink}}": "max by (sink) (hermes_notifications_pending)"},
        width=4,
    ),
    Panel(
        "Dead letters",
        "Messages that were given up. They are kept, and can be sent again.",
        "short",
        {"{{sink}}": "max by (sink) (hermes_notification_dead_letters)"},
        width=4,
        thresholds=((1, "red"),),
    ),
)
