"""Traces of questions and inspections, if OpenTelemetry is installed and its environment asks.

The standard OTEL_ variables enable and configure it. When disabled, every function here
returns at its first `if`. A span carries ids, states, counts and times; never
the text of a question or an answer, the URL of a camera, or an exception. Log lines
written while it is open carry its trace id.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from contextvars import Token
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any

import grpc

from hermes.client.trace import trace_context
from services.common import logs

try:
    from opentelemetry import context, trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ModuleNotFoundError:
    pass  # `configure` logs it if tracing was asked for

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

log = logs.get(__name__)

SPANS = {
    "/hermes.v1.QueryService/Ask": "hermes.ask",
    "/hermes.v1.WorkerService/Ask": "hermes.answer",
    "/hermes.v1.WorkerService/AskMany": "hermes.answers",
    "/hermes.v1.MemoryService/Inspect": "hermes.inspect",
    "/hermes.v1.WorkerService/Inspect": "hermes.look",
}
"""The calls that have a span, and its name."""
FAULTS = frozenset(
    {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)
"""Codes that are a server's error, by the semantic conventions of gRPC."""
FLUSH_S = 3.0
"""How long an ending process waits for the collector to accept its last spans."""

_provider: TracerProvider | None = None
_tracer: trace.Tracer | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A call whose span is open, and what `end` undoes."""

    span: trace.Span
    token: Any
    logged: Mapping[str, Token[Any]]


def configure(service: str, instance: str) -> None:
    """Start tracing if the environment asks for it. Called once, in a main."""
    if not _asked_for():
        return
    try:
        start(_exporter(), service, instance)
    except Exception as error:  # not installed, or a bad variable
        log.warning("not_traced", error=f"{type(error).__name__}: {error}")


def start(exporter: SpanExporter, service: str, instance: str) -> None:
    """Send spans to `exporter` in batches, from a background thread."""
    global _provider, _tracer
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    ours = {"service.name": f"hermes-{service}", "service.instance.id": instance}
    resource = Resource.create({**ours, **OTELResourceDetector().detect().attributes})
    _provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    _provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracer = _provider.get_tracer("hermes-live")


def active() -> bool:
    """Whether spans are sent."""
    return _tracer is not None


def flush() -> None:
    """Send the ended spans now, instead of with the next batch."""
    if _provider is not None:
        _provider.force_flush()


def stop() -> None:
    """Stop tracing. Remaining spans are sent for at most `FLUSH_S`."""
    global _provider, _tracer
    provider, _provider, _tracer = _provider, None, None
    if provider is None:
        return
    # By default, the provider waits half a minute for an unreachable collector.
    flushing = threading.Thread(target=provider.shutdown, name="flush-traces", daemon=True)
    flushing.start()
    flushing.join(FLUSH_S)
    if flushing.is_alive():
        log.warning("traces_not_sent", waited_s=FLUSH_S)


def begin(method: str, call: Any) -> Call | None:
    """Open the span of a call, as a child of the span that the metadata name, if any.

    `call` is the servicer's context. None if the call has no span.
    """
    if _tracer is None or method not in SPANS:
        return None
    carrier = {key: value for key, value in call.invocation_metadata() if isinstance(value, str)}
    span = _tracer.start_span(
        SPANS[method],
        TraceContextTextMapPropagator().extract(carrier),
        trace.SpanKind.SERVER,
        {"rpc.system.name": "grpc", "rpc.method": method[1:]},
    )
    token = context.attach(trace.set_span_in_context(span))
    logged = logs.bind(trace_id=trace.format_trace_id(span.get_span_context().trace_id))
    return Call(span, token, logged)


def end(call: Call | None, code: grpc.StatusCode) -> None:
    """Close what `begin` opened, in the same task."""
    if call is None:
        return
    context.detach(call.token)
    logs.unbind(call.logged)
    call.span.set_attribute("rpc.response.status_code", code.name)
    if code.name in FAULTS:
        call.span.set_attribute("error.type", code.name)
        call.span.set_status(trace.StatusCode.ERROR)
    call.span.end()


def note(**facts: str | int) -> None:
    """Add attributes to the current call's span: ids, states and counts, never user text."""
    if _tracer is not None:
        trace.get_current_span().set_attributes({f"hermes.{k}": v for k, v in facts.items()})


def part(name: str, began: float, ended: float, **facts: str | int) -> None:
    """Record a finished part of the current call. Times are in seconds since 1970."""
    if _tracer is None:
        return
    attributes = {f"hermes.{key}": value for key, value in facts.items()}
    span = _tracer.start_span(name, attributes=attributes, start_time=round(began * 1e9))
    span.end(round(ended * 1e9))


def outgoing() -> tuple[tuple[str, str], ...] | None:
    """Metadata that make the current span the parent of the callee's."""
    return None if _tracer is None else trace_context()


def exemplar() -> dict[str, str] | None:
    """Labels that link an observation to its trace; None if the trace is not sampled."""
    if _tracer is None:
        return None
    ids = trace.get_current_span().get_span_context()
    if not ids.trace_flags.sampled:
        return None
    return {
        "trace_id": trace.format_trace_id(ids.trace_id),
        "span_id": trace.format_span_id(ids.span_id),
    }


def _asked_for() -> bool:
    given = os.environ.get
    if given("OTEL_SDK_DISABLED", "").lower() == "true" or given("OTEL_TRACES_EXPORTER") == "none":
        return False
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    return any(given(name) for name in (*endpoints, "OTEL_TRACES_EXPORTER"))


def _exporter() -> SpanExporter:
    """The installed exporter that the environment names."""
    given = os.environ.get
    name = given("OTEL_TRACES_EXPORTER") or "otlp"
    if name == "otlp":
        protocol = given("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or given(
            "OTEL_EXPORTER_OTLP_PROTOCOL"
        )
        name = "otlp_proto_" + (protocol or "grpc").partition("/")[0]
    found = metadata.entry_points(group="opentelemetry_traces_exporter", name=name)
    if not found:
        raise LookupError(
            f"OTEL_ variables ask for the exporter {name!r}, which is not installed;"
            " pip install 'hermes-live[tracing]' brings 'otlp_proto_grpc'"
        )
    exporter: SpanExporter = next(iter(found)).load()()
    return exporter
