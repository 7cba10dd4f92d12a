"""Spans without sockets: what they carry, what they omit, and the cost of tracing when off."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.trace import SpanKind, StatusCode

from hermes.client.trace import trace_context
from services.common import logs, tracing
from tests.support.examples import at_most
from tests.support.log_lines import lines, logging_to
from tests.support.spans import Kept, traced

ASK = "/hermes.v1.QueryService/Ask"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126))
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


@pytest.fixture
def kept() -> Iterator[Kept]:
    with traced() as kept:
        yield kept


def call_with(*metadata: tuple[str, str | bytes]) -> Any:
    return SimpleNamespace(invocation_metadata=lambda: metadata)


def ended(call: Any, code: grpc.StatusCode = grpc.StatusCode.OK, method: str = ASK) -> None:
    tracing.end(tracing.begin(method, call), code)


def python(code: str, **environment: str) -> str:
    """What a fresh interpreter prints on standard error."""
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment},
        capture_output=True, text=True, timeout=60, check=True,
    ).stderr  # fmt: skip


def test_a_call_is_a_span_with_its_code(kept: Kept) -> None:
    call = tracing.begin(ASK, call_with())
    tracing.note(camera="lobby", attempts=2)
    tracing.end(call, grpc.StatusCode.OK)
    tracing.note(camera="nobody's")  # no call is open
    (span,) = kept.all()
    assert (span.name, span.kind, span.parent) == ("hermes.ask", SpanKind.SERVER, None)
    assert span.attributes == {
        "rpc.system.name": "grpc",
        "rpc.method": "hermes.v1.QueryService/Ask",
        "rpc.response.status_code": "OK",
        "hermes.camera": "lobby",
        "hermes.attempts": 2,
    }
    assert span.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (grpc.StatusCode.UNAVAILABLE, StatusCode.ERROR),
        (grpc.StatusCode.INTERNAL, StatusCode.ERROR),
        (grpc.StatusCode.NOT_FOUND, StatusCode.UNSET),
        (grpc.StatusCode.CANCELLED, StatusCode.UNSET),
    ],
)
def test_only_a_servers_faults_are_errors(
    kept: Kept, code: grpc.StatusCode, status: StatusCode
) -> None:
    ended(call_with(), code)
    (span,) = kept.all()
    assert span.status.status_code is status
    assert (span.attributes or {}).get("error.type") == (
        code.name if status is StatusCode.ERROR else None
    )
    assert span.events == ()


def test_all_codes_of_faults_are_codes() -> None:
    assert {code.name for code in grpc.StatusCode} > tracing.FAULTS


def test_the_callers_span_is_the_parent(kept: Kept) -> None:
    ended(call_with(("authorization", "Bearer sesame"), ("traceparent", TRACEPARENT)))
    (span,) = kept.all()
    assert span.parent is not None
    assert f"{span.parent.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == PARENT
    assert span.context.trace_id == span.parent.trace_id
    assert "sesame" not in span.to_json()


@pytest.mark.parametrize(
    "broken",
    [
        *("", "00", "rubbish", f"00-{TRACE}-{PARENT}", f"ff-{TRACE}-{PARENT}-01"),
        *(f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01"),
        f"00-{TRACE[:-1]}z-{PARENT}-01",
        TRACEPARENT.encode(),
    ],
)  # fmt: skip
def test_a_broken_parent_is_ignored(kept: Kept, broken: str | bytes) -> None:
    ended(call_with(("traceparent", broken)))
    (span,) = kept.all()
    assert span.parent is None
    assert f"{span.context.trace_id:032x}" != TRACE


@settings(max_examples=at_most(50))
@given(PRINTABLE, PRINTABLE)
def test_no_metadata_breaks_a_call(parent: str, state: str) -> None:
    with traced():
        ended(call_with(("traceparent", parent), ("tracestate", state)))
        ended(call_with(("traceparent", TRACEPARENT), ("tracestate", state)))


def test_parts_lie_below_their_call_at_their_own_times(kept: Kept) -> None:
    call = tracing.begin(ASK, call_with())
    tracing.part("decode", 1_700_000_000.25, 1_700_000_000.75, answer_tokens=7)
    tracing.end(call, grpc.StatusCode.OK)
    (part,), (whole,) = kept.named("decode"), kept.named("hermes.ask")
    assert part.parent == whole.context
    assert part.start_time == pytest.approx(1_700_000_000_250_000_000, abs=1000)
    assert part.end_time == pytest.approx(1_700_000_000_750_000_000, abs=1000)
    assert part.attributes == {"hermes.answer_tokens": 7}


def test_outgoing_metadata_name_the_open_call(kept: Kept) -> None:
    assert tracing.outgoing() == ()
    call = tracing.begin(ASK, call_with(("traceparent", TRACEPARENT), ("tracestate", "a=b")))
    sent = dict(tracing.outgoing() or ())
    seen = tracing.exemplar()
    tracing.end(call, grpc.StatusCode.OK)
    (span,) = kept.all()
    assert sent == {
        "traceparent": f"00-{TRACE}-{span.context.span_id:016x}-01",
        "tracestate": "a=b",
    }
    assert seen == {"trace_id": TRACE, "span_id": f"{span.context.span_id:016x}"}
    assert tracing.exemplar() is None


def test_lines_of_a_call_carry_its_trace(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    with logging_to(capsys) as stderr:
        logs.configure("gateway")
        call = tracing.begin(ASK, call_with(("traceparent", TRACEPARENT)))
        logs.get("a").warning("inside")
        tracing.end(call, grpc.StatusCode.OK)
        logs.get("a").warning("behind")
        logged = {line["event"]: line.get("trace_id") for line in lines(stderr)}
    assert logged == {"inside": TRACE, "behind": None}


def test_without_tracing_no_line_carries_a_trace(capsys: pytest.CaptureFixture[str]) -> None:
    with logging_to(capsys) as stderr:
        logs.configure("gateway")
        call = tracing.begin(ASK, call_with(("traceparent", TRACEPARENT)))
        logs.get("a").warning("inside")
        tracing.end(call, grpc.StatusCode.OK)
        (line,) = lines(stderr)
    assert "trace_id" not in line


def test_other_calls_have_no_span(kept: Kept) -> None:
    ended(call_with(), method="/hermes.v1.CameraService/List")
    assert kept.all() == []


def test_an_unsampled_call_is_not_exported_and_the_worker_learns_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    with traced() as kept:
        call = tracing.begin(ASK, call_with())
        (name, sent), *_ = tracing.outgoing() or ()
        assert name == "traceparent"
        assert int(sent[-2:], 16) & 1 == 0
        assert tracing.exemplar() is None
        tracing.part("decode", 1.0, 2.0)
        tracing.end(call, grpc.StatusCode.OK)
        assert kept.all() == []


def test_the_callers_choice_is_followed(kept: Kept) -> None:
    ended(call_with(("traceparent", TRACEPARENT[:-2] + "00")))
    assert kept.all() == []


def test_a_service_is_named_by_the_environment_or_else_by_itself(
    monkeypatch: pytest.MonkeyPatch, kept: Kept
) -> None:
    ended(call_with())
    (span,) = kept.all()
    assert span.resource.attributes["service.name"] == "hermes-gateway"
    assert span.resource.attributes["service.instance.id"] == "one"
    tracing.stop()
    monkeypatch.setenv("OTEL_SERVICE_NAME", "north")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=two,site=a")
    with traced() as kept:
        ended(call_with())
        (span,) = kept.all()
    found = span.resource.attributes
    assert (found["service.name"], found["service.instance.id"]) == ("north", "two")
    assert found["site"] == "a"


def test_without_tracing_nothing_is_recorded() -> None:
    call = tracing.begin(ASK, None)  # whose metadata are not even asked for
    tracing.note(camera="lobby")
    tracing.part("decode", 1.0, 2.0)
    tracing.end(call, grpc.StatusCode.OK)
    assert (call, tracing.outgoing(), tracing.exemplar()) == (None, None, None)
    tracing.stop()


OTLP = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.mark.parametrize(
    ("environment", "on"),
    [
        ({}, False),
        ({OTLP: ""}, False),
        ({"OTEL_TRACES_SAMPLER": "always_on"}, False),
        ({OTLP: "http://127.0.0.1:9"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9"}, True),
        ({"OTEL_TRACES_EXPORTER": "console"}, True),
        ({OTLP: "http://127.0.0.1:9", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({OTLP: "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_the_environment_switches_tracing(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], on: bool
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    tracing.configure("gateway", "one")
    try:
        assert tracing.active() is on
    finally:
        tracing.stop()


CONFIGURE = """
import sys
from services.common import tracing
tracing.configure("gateway", "one")
assert tracing.begin("/hermes.v1.QueryService/Ask", None) is None
assert "opentelemetry.sdk.trace" not in sys.modules
"""
BLOCKED = """
import sys
from importlib import metadata
metadata.entry_points = lambda **_: ()
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocker())
"""


def test_opentelemetry_is_not_loaded_unless_asked_for() -> None:
    assert python(CONFIGURE) == ""
    assert python(BLOCKED + CONFIGURE) == ""


def test_a_missing_package_is_logged_once_and_harms_nothing() -> None:
    logged = python(BLOCKED + CONFIGURE, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert len(logged.splitlines()) == 1
    assert "not_traced" in logged
    assert "pip install 'hermes-live[tracing]'" in logged


@pytest.mark.parametrize(
    "variable", ["OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_BSP_MAX_QUEUE_SIZE"]
)
def test_a_bad_variable_is_logged(variable: str) -> None:
    value = "-1" if variable == "OTEL_BSP_MAX_QUEUE_SIZE" else "rubbish"
    code = CONFIGURE.replace("assert", "#")
    logged = python(code, **{OTLP: "http://127.0.0.1:9", variable: value})
    assert len(logged.splitlines()) == 1
    assert "not_traced" in logged


def test_a_call_outside_a_trace_sends_no_context() -> None:
    assert trace_context() == ()
    assert "opentelemetry" not in python(
        "import sys, hermes.client; print(*sys.modules, file=sys.stderr)"
    )
