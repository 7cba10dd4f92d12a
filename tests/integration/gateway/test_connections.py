"""Limits on connections, as docs/security.md states them."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import grpc.aio
import pytest

from hermes.client import AsyncHermesClient, Tls
from hermes.v1.query_pb2 import QueryServiceAskRequest, Question
from hermes.v1.query_pb2_grpc import QueryServiceStub
from services.common.rpc import HANDSHAKE_TIMEOUT_MS
from services.query_gateway.gateway import Gateway
from tests.support.certificates import SERVER, Authority
from tests.support.fake_worker import End, FakeWorker, Rest, Say
from tests.support.gateway import running_gateway

SILENT = 300
DESCRIPTORS = 2 * SILENT + 500
"""Both ends of every silent connection are in this process, and so is everything else."""
HALF_A_PREFACE = b"PRI * HTTP/2.0\r\n"
HALF_A_HELLO = bytes.fromhex("160301020001")  # a TLS record with a ClientHello that never comes


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """Raise the soft limit on file descriptors to the hard one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < DESCRIPTORS:
        pytest.skip(f"{DESCRIPTORS} file descriptors are needed; the hard limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, DESCRIPTORS), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def silent_connection(port: int, begin: bytes, opened: asyncio.Event) -> float:
    """Open a connection, send `begin` and nothing more. Seconds until the gateway closed it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.monotonic()
    try:
        writer.write(begin)
        opened.set()
        while await reader.read(4096):
            pass
    except ConnectionResetError:
        pass
    finally:
        writer.close()
    return time.monotonic() - began


async def serves_beside_silent_connections(port: int, begins: list[bytes], tls: Tls | None) -> None:
    """Silent connections live about as long as documented, and a client is served meanwhile."""
    limit_s = HANDSHAKE_TIMEOUT_MS / 1000
    opened = [asyncio.Event() for _ in range(SILENT)]
    silent = [
        asyncio.create_task(silent_connection(port, begins[n % len(begins)], event))
        for n, event in enumerate(opened)
    ]
    await asyncio.gather(*(event.wait() for event in opened))
    async with AsyncHermesClient(f"127.0.0.1:{port}", tls=tls) as client:
        assert (await client.ask("lobby", "what?", timeout=5).result()).text
        assert sum(task.done() for task in silent) == 0
        lasted = await asyncio.wait_for(asyncio.gather(*silent), limit_s + 10)
        assert min(lasted) > limit_s / 2
        assert (await client.ask("lobby", "what?", timeout=5).result()).text


@pytest.mark.usefixtures("many_descriptors", "lobby")
async def test_silent_connections_are_closed_while_clients_are_served(gateway: Gateway) -> None:
    await serves_beside_silent_connections(gateway.port, [b"", HALF_A_PREFACE], None)


@pytest.mark.slow
@pytest.mark.usefixtures("many_descriptors", "lobby")
async def test_silent_connections_to_a_tls_port_are_closed_while_clients_are_served(
    redis_url: str, tmp_path: Path
) -> None:
    files = Authority("cluster").issue(tmp_path / "gateway", "gateway.example", purposes=(SERVER,))
    tls = Tls(ca_file=files.ca)
    async with running_gateway(
        redis_url, tls_cert_file=files.cert, tls_key_file=files.key
    ) as gateway:
        await serves_beside_silent_connections(gateway.port, [b"", HALF_A_HELLO], tls)


def channel(gateway: Gateway, ping_ms: int) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(
        f"127.0.0.1:{gateway.port}",
        options=[
            ("grpc.keepalive_time_ms", ping_ms),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.max_pings_without_data", 0),
            ("grpc.use_local_subchannel_pool", 1),
        ],
    )


async def texts(gateway: Gateway, ping_ms: int) -> str:
    question = Question(camera_id="lobby", text="what?")
    async with channel(gateway, ping_ms) as pinging:
        ask = QueryServiceStub(pinging).Ask  # type: ignore[no-untyped-call]
        call = ask(QueryServiceAskRequest(question=question), timeout=60)
        return "".join([event.delta.text async for event in call])


@pytest.mark.slow  # pings are seconds apart
async def test_a_client_may_ping_every_five_seconds_on_a_silent_stream(
    gateway: Gateway, worker: FakeWorker, lobby: str
) -> None:
    worker.scripts = [[Rest(32), Say("a car"), End()]]
    assert await texts(gateway, 5_000) == "a car"


@pytest.mark.slow
async def test_a_client_that_pings_every_second_is_disconnected(
    gateway: Gateway, worker: FakeWorker, lobby: str
) -> None:
    worker.scripts = [[Rest(20), Say("a car"), End()]]
    with pytest.raises(grpc.aio.AioRpcError, match="Too many pings"):
        await texts(gateway, 1_000)
