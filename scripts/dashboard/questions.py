"""Panels: how questions end and how long they take."""

from __future__ import annotations

from scripts.dashboard.panel import MODEL, Panel, quantiles, rate

PANELS = (
    Panel(
        "Questions by status, gateway",
        "Questions that ended, by gRPC status, as clients saw them.",
        "reqps",
        {"{{code}}": rate("hermes_queries_total", "code", 'job="hermes-gateway"')},
        stacked=True,
    ),
    Panel(
        "Questions by status, workers",
        "The same at the workers. The gateway tries some of them again.",
        "reqps",
        {"{{code}}": rate("hermes_queries_total", "code", 'job="hermes-worker"')},
        stacked=True,
    ),
    Panel(
        "Questions by the form of their answers",
        "Questions that the gateway took: for free text, choices, JSON or a regular expression.",
        "reqps",
        {"{{form}}": rate("hermes_question_forms_total", "form")},
        stacked=True,
    ),
    Panel(
        "Calls refused at the door",
        "Calls that the gateway's guard refused, by reason: no valid token, no scope, the caller's"
        " own limit, no key to check a token with. None while authentication is off.",
        "reqps",
        {"{{reason}}": rate("hermes_refused_calls_total", "reason")},
        stacked=True,
    ),
    Panel(
        "Answers that begin too late",
        "Share of answers whose first token took more than 0.5 s at the gateway. 1 % is what the"
        " objective allows.",
        "percentunit",
        {
            window: f"hermes:ttft_slow:ratio_rate{window}"
            for window in ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
        },
        thresholds=((0.01, "red"),),
    ),
    Panel(
        "Time in the queue",
        "Time that a question waited for the device behind other work.",
        "s",
        quantiles("hermes_query_queue_seconds", MODEL),
    ),
    Panel(
        "Time between tokens",
        "Time between two tokens of one answer.",
        "s",
        quantiles("hermes_inter_token_latency_seconds", MODEL),
    ),
    Panel(
        "Duration of a question",
        "From a worker's receipt of a question to its last token.",
        "s",
        quantiles("hermes_query_duration_seconds", MODEL),
        exemplars=True,
    ),
)
