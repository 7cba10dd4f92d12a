"""A question is one trace, from its asker to the device, and tracing never costs an answer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import redis
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from hermes.client import AsyncHermesClient, HermesClient
from hermes.errors import CameraNotFound, CameraNotOwned, HermesError
from services.cli.processes import Pipeline, wait_ready
from services.common import logs, tracing
from services.hermes_worker.worker import Worker
from services.query_gateway.gateway import Gateway
from tests.integration.gateway.test_process import gateway_process
from tests.support import tiny
from tests.support.fake_worker import HELLO, MODEL, Crash, Fail, FakeWorker, Hang, Say
from tests.support.gateway import own, register, running_gateway
from tests.support.log_lines import lines, logging_to
from tests.support.spans import Kept, collecting, traced
from tests.support.tokens import write_tokens
from tests.support.workers import Feeder, serving, until, working

QUESTION = "Is the door of the sesame shop open?"
TOKEN = "hunter2-sesame"
PARTS = ("frames", "queue", "prefill", "decode")
SLACK_NS = 5_000_000
"""Parts are placed by the device's clock, calls by the wall's."""


@pytest.fixture
def kept() -> Iterator[Kept]:
    with traced() as kept:
        yield kept


def client_of(gateway: Gateway) -> AsyncHermesClient:
    metadata = (("authorization", f"Bearer {TOKEN}"),)
    return AsyncHermesClient(f"127.0.0.1:{gateway.port}", metadata=metadata)


@contextlib.asynccontextmanager
async def remembered(
    redis_url: str, redis_client: redis.Redis
) -> AsyncIterator[tuple[Worker, Gateway, AsyncHermesClient]]:
    """A worker that remembers the lobby, a gateway, and a client of it."""
    async with (
        working(redis_url, None) as worker,
        running_gateway(redis_url) as gateway,
        client_of(gateway) as client,
    ):
        Feeder(redis_client, "lobby").push(3)
        await until(serving(redis_client))
        yield worker, gateway, client


async def ended(kept: Kept, name: str) -> ReadableSpan:
    """The one span of a name. A call's ends right after its client heard of it."""
    await until(lambda: bool(kept.named(name)))
    (span,) = kept.named(name)
    return span


def exemplars(text: str) -> dict[str, set[str]]:
    """Trace ids by the histogram whose buckets carry them."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):  # type: ignore[no-untyped-call]
        for sample in family.samples:
            if sample.exemplar:
                found.setdefault(family.name, set()).add(sample.exemplar.labels["trace_id"])
    return found


def shown(service: Gateway | Worker) -> str:
    encode, _ = choose_encoder("application/openmetrics-text")
    return encode(service.metrics.registry).decode()


async def test_a_question_is_one_trace_from_its_asker_to_the_device(
    redis_url: str, redis_client: redis.Redis, kept: Kept
) -> None:
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("asker")
    async with remembered(redis_url, redis_client) as (worker, gateway, client):
        with tracer.start_as_current_span("asker") as asker:
            stream = client.ask("lobby", QUESTION, max_tokens=5, timeout=20)
        answer = await stream.result()
        whole, answered = await ended(kept, "hermes.ask"), await ended(kept, "hermes.answer")
        seen = exemplars(shown(gateway))
        seen_by_worker = exemplars(shown(worker))
        address = f"127.0.0.1:{worker.port}"

    assert whole.parent is not None
    assert whole.parent.span_id == asker.get_span_context().span_id
    assert answered.parent is not None
    assert answered.parent.span_id == whole.context.span_id
    parts = [await ended(kept, name) for name in PARTS]
    assert all(part.parent == answered.context for part in parts)
    spans = kept.all()
    assert len(spans) == 2 + len(PARTS)
    trace_id = asker.get_span_context().trace_id
    assert {span.context.trace_id for span in spans} == {trace_id}

    assert whole.attributes is not None
    assert whole.attributes.items() >= {
        ("hermes.camera", "lobby"),
        ("hermes.freshness", "FRESHNESS_LATEST"),
        ("hermes.attempts", 1),
        ("hermes.worker", address),
        ("rpc.response.status_code", "OK"),
    }
    assert answered.attributes is not None
    assert answered.attributes.items() >= {
        ("hermes.camera", "lobby"),
        ("hermes.epoch", answer.epoch),
        ("hermes.model", answer.model),
    }
    prefill, decode = parts[2:]
    assert prefill.attributes == {"hermes.question_tokens": answer.question_tokens}
    assert decode.attributes == {"hermes.answer_tokens": 5}

    times = [times_of(part) for part in parts]
    for (_, before), (after, _) in pairwise(times):
        assert before == pytest.approx(after, abs=1000)
    began, over = times_of(answered)
    assert began - SLACK_NS <= times[0][0]
    assert times[-1][1] <= over + SLACK_NS
    warm = answer.timings.warm_time_to_first_token_s
    assert warm is not None
    assert times[2][1] - times[1][0] == pytest.approx(warm * 1e9, abs=2000)

    assert seen == {"hermes_time_to_first_token_seconds": {f"{trace_id:032x}"}}
    assert seen_by_worker == {
        "hermes_time_to_first_token_seconds": {f"{trace_id:032x}"},
        "hermes_query_duration_seconds": {f"{trace_id:032x}"},
    }
    text = "".join(span.to_json() for span in spans)
    assert answer.text not in text
    for secret in (QUESTION, TOKEN, "sesame", "rtsp:"):
        assert secret not in text


def times_of(span: ReadableSpan) -> tuple[int, int]:
    assert span.start_time is not None
    assert span.end_time is not None
    return span.start_time, span.end_time


@contextlib.asynccontextmanager
async def owning(client: redis.Redis, *scripts: Any) -> AsyncIterator[str]:
    """A camera whose worker plays these scripts."""
    worker = FakeWorker(*scripts)
    await worker.start()
    register(client, "lobby")
    own(client, "lobby", worker.address)
    try:
        yield "lobby"
    finally:
        await worker.stop()


@contextlib.asynccontextmanager
async def asked(
    redis_url: str, client: redis.Redis, *scripts: Any
) -> AsyncIterator[AsyncHermesClient]:
    """A client of a gateway in this process, for the camera of `owning`."""
    async with (
        owning(client, *scripts),
        running_gateway(redis_url) as gateway,
        client_of(gateway) as asker,
    ):
        yield asker


async def test_every_attempt_is_counted(
    redis_url: str, redis_client: redis.Redis, kept: Kept
) -> None:
    refusal = [Fail(CameraNotOwned("lobby"))]
    async with asked(redis_url, redis_client, refusal, HELLO) as client:
        await client.ask("lobby", QUESTION).result()
        whole = await ended(kept, "hermes.ask")
    assert whole.attributes is not None
    assert whole.attributes["hermes.attempts"] == 2
    codes = [(span.attributes or {})["rpc.response.status_code"]
             for span in kept.named("hermes.answer")]  # fmt: skip
    assert sorted(map(str, codes)) == ["FAILED_PRECONDITION", "OK"]


async def test_a_question_that_fails_says_its_code_and_no_more(
    redis_url: str, redis_client: redis.Redis, kept: Kept
) -> None:
    async with asked(redis_url, redis_client) as client:
        with pytest.raises(CameraNotFound):
            await client.ask("nowhere", QUESTION).result()
        whole = await ended(kept, "hermes.ask")
    assert whole.attributes is not None
    assert whole.attributes["rpc.response.status_code"] == "NOT_FOUND"
    assert "hermes.attempts" not in whole.attributes
    assert whole.events == ()
    assert kept.named("hermes.answer") == []


async def test_a_question_that_is_cancelled_ends_its_spans(
    redis_url: str, redis_client: redis.Redis, kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    async with asked(redis_url, redis_client, [Say("a "), Hang()]) as client:
        async with client.ask("lobby", QUESTION) as stream:
            await anext(aiter(stream))
        spans = [await ended(kept, name) for name in ("hermes.ask", "hermes.answer")]
    assert [(span.attributes or {})["rpc.response.status_code"] for span in spans] == [
        "CANCELLED",
        "CANCELLED",
    ]
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]


async def test_a_look_is_one_trace_too(
    redis_url: str, redis_client: redis.Redis, kept: Kept
) -> None:
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("asker")
    async with remembered(redis_url, redis_client) as (worker, _, client):
        with tracer.start_as_current_span("asker") as asker:
            contents = await client.inspect("lobby")
        whole, look = await ended(kept, "hermes.inspect"), await ended(kept, "hermes.look")
        address = f"127.0.0.1:{worker.port}"
    assert whole.parent is not None
    assert whole.parent.span_id == asker.get_span_context().span_id
    assert look.parent is not None
    assert look.parent.span_id == whole.context.span_id
    assert look.context.trace_id == asker.get_span_context().trace_id
    assert whole.attributes is not None
    assert whole.attributes.items() >= {
        ("hermes.camera", "lobby"),
        ("hermes.attempts", 1),
        ("hermes.worker", address),
        ("rpc.method", "hermes.v1.MemoryService/Inspect"),
        ("rpc.response.status_code", "OK"),
    }
    assert look.attributes is not None
    assert look.attributes.items() >= {
        ("hermes.camera", "lobby"),
        ("hermes.epoch", contents.epoch),
        ("hermes.model", contents.model),
    }
    assert len(kept.all()) == 2


async def test_lines_about_a_question_carry_its_trace(
    tmp_path: Path,
    redis_url: str,
    redis_client: redis.Redis,
    kept: Kept,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """At the worker that failed, at the gateway that called it, and in the audit log."""
    path = tmp_path / "tokens.yaml"
    token = write_tokens(path, desk="ask:*")["desk"]
    with logging_to(capsys) as stderr:
        logs.configure("both")
        async with (
            owning(redis_client, [Crash("a fault")]) as lobby,
            running_gateway(redis_url, tokens_file=path) as gateway,
            AsyncHermesClient(f"127.0.0.1:{gateway.port}", token=token) as client,
        ):
            with pytest.raises(HermesError):
                await client.ask(lobby, QUESTION).result()
            whole = await ended(kept, "hermes.ask")
        told = {line["event"]: line.get("trace_id") for line in lines(stderr)}
    trace_id = f"{whole.context.trace_id:032x}"
    assert [told[event] for event in ("call_failed", "worker_failed", "audit")] == 3 * [trace_id]
    assert told["stopped"] is None


async def test_questions_at_once_keep_to_their_own_traces(
    redis_url: str, redis_client: redis.Redis, kept: Kept
) -> None:
    async with asked(redis_url, redis_client, [Say("a ", 0.1), *HELLO]) as client:
        await asyncio.gather(*(client.ask("lobby", QUESTION).result() for _ in range(8)))
        await until(lambda: len(kept.named("hermes.ask")) == 8)
    asks = {span.context.span_id: span.context.trace_id for span in kept.named("hermes.ask")}
    answers = {span.parent.span_id: span.context.trace_id
               for span in kept.named("hermes.answer") if span.parent}  # fmt: skip
    assert len(set(asks.values())) == 8
    assert answers == asks


async def test_sampled_out_there_is_neither_span_nor_exemplar(
    redis_url: str, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    with traced() as kept:
        async with remembered(redis_url, redis_client) as (worker, gateway, client):
            await client.ask("lobby", QUESTION, max_tokens=2, timeout=20).result()
            for service in (gateway, worker):
                assert exemplars(shown(service)) == {}
        assert kept.all() == []


def test_processes_send_one_trace_to_a_collector(
    tmp_path: Path, redis_url: str, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", redis_url)
    with collecting() as (collector, endpoint):
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        with Pipeline(tmp_path, environment) as pipeline:
            pipeline.start_redis()
            options: dict[str, str | int] = {"model": str(tiny.folder()), "device": "cpu"}
            worker = pipeline.start(
                "worker", "services.hermes_worker.main", listen="127.0.0.1:0", threads=1, **options
            )
            gateway = pipeline.start("gateway", "services.query_gateway.main", listen="127.0.0.1:0")
            Feeder(redis_client, "lobby").push(3)
            address, port = (wait_ready(gateway)[key] for key in ("address", "metrics_port"))
            wait_ready(worker)
            until_now(serving(redis_client))
            with HermesClient(str(address)) as client:
                client.ask("lobby", QUESTION, max_tokens=2, timeout=20).result()
            until_now(lambda: len(collector.spans()) == 2 + len(PARTS))
            url = urllib.request.Request(
                f"http://127.0.0.1:{port}/metrics",
                headers={"Accept": "application/openmetrics-text; version=1.0.0"},
            )
            metrics = urllib.request.urlopen(url, timeout=5).read().decode()

    spans = collector.spans()
    service, whole = spans["hermes.ask"]
    assert service == "hermes-gateway"
    service, answered = spans["hermes.answer"]
    assert service == "hermes-worker"
    assert answered.parent_span_id == whole.span_id
    assert {spans[name][1].parent_span_id for name in PARTS} == {answered.span_id}
    assert {span.trace_id for _, span in spans.values()} == {whole.trace_id}
    assert exemplars(metrics) == {"hermes_time_to_first_token_seconds": {whole.trace_id.hex()}}


def until_now(condition: Any, timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)


@contextlib.contextmanager
def unreachable(kind: str) -> Iterator[int]:
    """A port that refuses connections, or one that accepts calls and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        if kind == "closed":
            listening.close()
        yield port


@pytest.mark.parametrize("kind", ["closed", "silent"])
async def test_a_collector_out_of_reach_costs_nothing(
    tmp_path: Path, redis_url: str, redis_client: redis.Redis, kind: str
) -> None:
    """Not one question, though the queue of spans overflows; and at the end a bounded time."""
    with unreachable(kind) as port:
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "60",
            "OTEL_BSP_SCHEDULE_DELAY": "10",
            "OTEL_BSP_MAX_QUEUE_SIZE": "4",
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "2",
        }
        async with (
            owning(redis_client) as lobby,
            gateway_process(tmp_path, redis_url, **environment) as gateway,
        ):
            async with AsyncHermesClient(gateway.address) as client:
                for _ in range(20):
                    answer = await client.ask(lobby, QUESTION, timeout=10).result()
                    assert (answer.text, answer.model) == ("a red car", MODEL)
            gateway.process.terminate()
            # By itself the exporter would be waited for half a minute.
            assert await asyncio.wait_for(gateway.process.wait(), tracing.FLUSH_S + 15) == 0
            told = [json.loads(line) for line in gateway.log.read_text().splitlines()]
    assert [line["waited_s"] for line in told if line["event"] == "traces_not_sent"] == [
        tracing.FLUSH_S
    ]
