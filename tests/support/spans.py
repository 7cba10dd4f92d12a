"""Spans that were sent: kept in memory, or by a collector that listens on a port."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as api
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.common import tracing


class Kept(InMemorySpanExporter):
    """What this process sent."""

    def named(self, name: str) -> list[ReadableSpan]:
        """The spans of a name that have ended."""
        return [span for span in self.all() if span.name == name]

    def all(self) -> list[ReadableSpan]:
        tracing.flush()
        return list(self.get_finished_spans())


@contextmanager
def traced(service: str = "gateway") -> Iterator[Kept]:
    """This process traces, to memory."""
    kept = Kept()
    tracing.start(kept, service, "one")
    try:
        yield kept
    finally:
        tracing.stop()


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """An OTLP collector: every span that it was sent, with its service."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spans: list[tuple[str, Span]] = []

    def Export(self, request: Any, context: Any) -> api.ExportTraceServiceResponse:  # noqa: N802
        with self._lock:
            for sent in request.resource_spans:
                names = {a.key: a.value.string_value for a in sent.resource.attributes}
                for scope in sent.scope_spans:
                    self._spans += [(names["service.name"], span) for span in scope.spans]
        return api.ExportTraceServiceResponse()

    def spans(self) -> dict[str, tuple[str, Span]]:
        """Service and span, by the span's name."""
        with self._lock:
            return {span.name: (service, span) for service, span in self._spans}


@contextmanager
def collecting() -> Iterator[tuple[Collector, str]]:
    """A collector and its endpoint."""
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    add: Any = trace_service_pb2_grpc.add_TraceServiceServicer_to_server
    add(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield collector, f"http://127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
