"""The caller's trace, as the metadata of a call."""

from __future__ import annotations

import sys


def trace_context() -> tuple[tuple[str, str], ...]:
    """W3C `traceparent` and `tracestate` of OpenTelemetry's current span, if there is one.

    OpenTelemetry is not loaded for this: without it there is no span.
    """
    if "opentelemetry.trace" not in sys.modules:
        return ()
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return tuple(carrier.items())
