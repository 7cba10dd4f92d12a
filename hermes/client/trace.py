"""The trace that the caller is in, as the metadata of a call."""

from __future__ import annotations

import sys


def trace_context() -> tuple[tuple[str, str], ...]:
    """W3C `traceparent` and `tracestate` of OpenTelemetry's current span; nothing without one.

    A process that has not loaded OpenTelemetry is in no trace, so this does not load it.
    """
    if "opentelemetry.trace" not in sys.modules:
        return ()
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return tuple(carrier.items())
