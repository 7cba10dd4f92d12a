"""The gRPC server of all services: errors become statuses, generators are closed, stop waits."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from hermes import errors
from hermes.statuses import typed_error
from hermes.v1.query_pb2 import Delta
from hermes.v1.worker_pb2 import WorkerServiceAskRequest, WorkerServiceAskResponse
from hermes.v1.worker_pb2_grpc import (
    WorkerServiceServicer,
    WorkerServiceStub,
    add_WorkerServiceServicer_to_server,
)
from services.common.grpc_server import CannotListen, GrpcServer

UNPRIVILEGED = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
WORD = WorkerServiceAskResponse(delta=Delta(text="word"))
Behave = Callable[[Any], AsyncIterator[WorkerServiceAskResponse]]


class Generates(WorkerServiceServicer):
    """A handler that is an async generator."""

    def __init__(self, behave: Behave) -> None:
        self._behave = behave
        self.closed = asyncio.Event()

    async def Ask(  # noqa: N802 - the name is the interface
        self, request: WorkerServiceAskRequest, context: Any
    ) -> AsyncIterator[WorkerServiceAskResponse]:
        try:
            async for response in self._behave(context):
                yield response
        finally:
            self.closed.set()


@asynccontextmanager
async def serving(behave: Behave) -> AsyncIterator[tuple[Any, Generates, GrpcServer, list[Any]]]:
    ended: list[Any] = []
    server = GrpcServer(max_message_bytes=1 << 16, observe=lambda *end: ended.append(end))
    servicer = Generates(behave)
    server.add(add_WorkerServiceServicer_to_server, servicer, "hermes.v1.WorkerService")
    port = server.bind("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = WorkerServiceStub(channel)  # type: ignore[no-untyped-call]
        yield stub.Ask, servicer, server, ended
    await server.stop(0)


async def ends(ended: list[Any], count: int = 1) -> list[grpc.StatusCode]:
    """The codes of ended calls. They are reported just after the client gets its status."""
    async with asyncio.timeout(2):
        while len(ended) < count:
            await asyncio.sleep(0.005)
    return [code for _, code in ended]


async def read_all(call: Any) -> list[WorkerServiceAskResponse]:
    return [response async for response in call]


async def test_a_generator_is_read_to_its_end() -> None:
    async def behave(context: Any) -> AsyncIterator[WorkerServiceAskResponse]:
        yield WORD
        yield WORD

    async with serving(behave) as (ask, servicer, server, ended):
        assert await read_all(ask(WorkerServiceAskRequest(), timeout=5)) == [WORD, WORD]
        assert servicer.closed.is_set()
        assert await ends(ended) == [grpc.StatusCode.OK]
        assert ended[0][0] == "/hermes.v1.WorkerService/Ask"
        assert server.open_calls == 0


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (errors.Overloaded("full", 2.0), errors.Overloaded, grpc.StatusCode.RESOURCE_EXHAUSTED),
        (errors.CameraNotOwned("x"), errors.CameraNotOwned, grpc.StatusCode.FAILED_PRECONDITION),
        (KeyError("secret"), errors.HermesError, grpc.StatusCode.INTERNAL),
        # Something awaited was cancelled, and not the call: unanswered, the
        # client would wait for its deadline.
        (asyncio.CancelledError("secret"), errors.HermesError, grpc.StatusCode.INTERNAL),
    ],
    ids=["overloaded", "not-owned", "unknown", "stray-cancellation"],
)
async def test_errors_become_statuses(
    error: BaseException, kind: type[errors.HermesError], code: grpc.StatusCode
) -> None:
    async def behave(context: Any) -> AsyncIterator[WorkerServiceAskResponse]:
        yield WORD
        raise error

    async with serving(behave) as (ask, servicer, _, ended):
        call = ask(WorkerServiceAskRequest(), timeout=3)
        assert await call.read() == WORD
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        assert caught.value.code() == code
        assert type(typed_error(caught.value)) is kind
        assert "secret" not in (caught.value.details() or "")
        assert servicer.closed.is_set()
        assert await ends(ended) == [code]


async def test_an_unreadable_message_is_refused_without_filling_the_log(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    async def behave(context: Any) -> AsyncIterator[WorkerServiceAskResponse]:
        yield WORD

    server = GrpcServer(max_message_bytes=1 << 16)
    servicer = Generates(behave)
    server.add(add_WorkerServiceServicer_to_server, servicer, "hermes.v1.WorkerService")
    port = server.bind("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        raw: Any = channel.unary_stream("/hermes.v1.WorkerService/Ask")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await read_all(raw(b"\xff\xff", timeout=3))
    await server.stop(0)
    assert isinstance(typed_error(caught.value), errors.InvalidInput)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert not servicer.closed.is_set()
    out = capsys.readouterr()
    assert "Traceback" not in out.out + out.err + caplog.text


async def test_a_handlers_own_status_is_kept() -> None:
    async def behave(context: Any) -> AsyncIterator[WorkerServiceAskResponse]:
        yield WORD
        await context.abort(grpc.StatusCode.DATA_LOSS, "own words")

    async with serving(behave) as (ask, _, _, ended):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await read_all(ask(WorkerServiceAskRequest(), timeout=3))
        assert (caught.value.code(), caught.value.details()) == (
            grpc.StatusCode.DATA_LOSS,
            "own words",
        )
        assert await ends(ended) == [grpc.StatusCode.DATA_LOSS]


@pytest.mark.parametrize(
    ("timeout", "code"),
    [(5.0, grpc.StatusCode.CANCELLED), (0.2, grpc.StatusCode.DEADLINE_EXCEEDED)],
)
async def test_cancellation_passes_through_and_closes(
    timeout: float, code: grpc.StatusCode
) -> None:
    cancelled = asyncio.Event()

    async def behave(context: Any) -> AsyncIterator[WorkerServiceAskResponse]:
        yield WORD
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with serving(behave) as (ask, servicer, server, ended):
        call = ask(WorkerServiceAskRequest(), timeout=timeout)
        assert await call.read() == WORD
        assert server.open_calls == 1
        if code == grpc.StatusCode.CANCELLED:
            call.cancel()
        await asyncio.wait_for(cancelled.wait(), 1)
        await asyncio.wait_for(servicer.closed.wait(), 1)
        assert await ends(ended) == [code]
        assert server.open_calls == 0


async def test_a_client_that_leaves_during_an_answer_is_not_an_error(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    async def behave(context: Any) -> AsyncIterator[WorkerServiceAskResponse]:
        while True:
            yield WORD
            await asyncio.sleep(0)

    async with serving(behave) as (ask, servicer, _, ended):
        calls = [ask(WorkerServiceAskRequest(), timeout=10) for _ in range(8)]
        for call in calls:
            await call.read()
            call.cancel()
        assert set(await ends(ended, len(calls))) == {grpc.StatusCode.CANCELLED}
        assert servicer.closed.is_set()
    out = capsys.readouterr()
    assert "call_failed" not in out.out + out.err + caplog.text
    assert "Traceback" not in out.out + out.err + caplog.text


async def test_two_servers_do_not_share_a_port() -> None:
    first, second = GrpcServer(max_message_bytes=1024), GrpcServer(max_message_bytes=1024)
    port = first.bind("127.0.0.1:0")
    with pytest.raises(CannotListen, match=f"127.0.0.1:{port}: Address already in use"):
        second.bind(f"127.0.0.1:{port}")
    await first.stop(0)
    await second.stop(0)


async def test_a_port_is_known_before_it_is_served() -> None:
    async def behave(context: Any) -> AsyncIterator[WorkerServiceAskResponse]:
        yield WORD

    server = GrpcServer(max_message_bytes=1 << 16)
    port = server.bind("127.0.0.1:0")
    assert port > 0
    server.add(add_WorkerServiceServicer_to_server, Generates(behave), "hermes.v1.WorkerService")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = WorkerServiceStub(channel)  # type: ignore[no-untyped-call]
        early = asyncio.ensure_future(read_all(stub.Ask(WorkerServiceAskRequest(), timeout=10)))
        await asyncio.sleep(0.05)
        await server.start()
        assert await early == [WORD]
    await server.stop(0)


@pytest.mark.parametrize(
    ("listen", "why"),
    [
        ("192.0.2.1:0", "Cannot assign requested address"),
        ("127.0.0.1:99999", "'99999' is not a port"),
        ("no.such.host.invalid:0", "Name or service not known|No address|name resolution"),
        ("127.0.0.1:http!", "'http!' is not a port"),
    ],
    ids=["not-ours", "no-port", "no-host", "no-number"],
)
async def test_an_address_that_cannot_be_bound_is_explained(listen: str, why: str) -> None:
    server = GrpcServer(max_message_bytes=1024)
    with pytest.raises(CannotListen, match=f"cannot listen on {listen}: ({why})"):
        server.bind(listen)
    await server.stop(0)


@pytest.mark.skipif(
    os.geteuid() == 0 or int(UNPRIVILEGED.read_text()) <= 1, reason="any port may be bound here"
)
async def test_a_forbidden_port_is_explained() -> None:
    server = GrpcServer(max_message_bytes=1024)
    with pytest.raises(CannotListen, match=r"127\.0\.0\.1:1: Permission denied"):
        server.bind("127.0.0.1:1")
    await server.stop(0)


async def test_calls_beyond_capacity_all_get_a_status_that_says_when_to_retry() -> None:
    """gRPC on its own breaks off calls that wait for the loop, with a bare CANCELLED."""

    async def full(context: Any) -> AsyncIterator[WorkerServiceAskResponse]:
        raise errors.Overloaded("no room", 2.5)
        yield WORD

    async def refused(ask: Any) -> errors.HermesError | None:
        with pytest.raises(grpc.aio.AioRpcError) as status:
            await read_all(ask(WorkerServiceAskRequest()))
        return typed_error(status.value)

    async with serving(full) as (ask, _, _, _):
        seen = await asyncio.gather(*(refused(ask) for _ in range(1_000)))
    assert {type(error) for error in seen} == {errors.Overloaded}
    assert {error.retry_after_s for error in seen if isinstance(error, errors.Retryable)} == {2.5}
