"""A gateway that gets nonsense: it answers other clients meanwhile, and works afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import redis
from google.protobuf.message import Message

from hermes.client import AsyncHermesClient
from hermes.v1.camera_pb2 import Camera, CameraServiceAddRequest, CameraServiceGetRequest
from hermes.v1.event_pb2 import EventFilter, EventServiceListRequest
from hermes.v1.query_pb2 import QueryServiceAskRequest, Question
from hermes.v1.watch_pb2 import WatchServiceCreateRequest
from services.query_gateway.gateway import Gateway
from tests.support.api import METHODS
from tests.support.gateway import running_gateway
from tests.support.tokens import AUDIENCE, ISSUER, jwk, jwks, signed, write_tokens
from tests.support.watches import yes_no

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
OVERSIZED = 1 << 20
MESSAGES: list[Message] = [
    QueryServiceAskRequest(question=Question(camera_id="lobby", text="what?", max_tokens=1 << 31)),
    CameraServiceAddRequest(camera=Camera(id="x", url="rtsp://c/live")),
    CameraServiceGetRequest(camera_id="lobby"),
    WatchServiceCreateRequest(watch=yes_no("x", "x1")),
    EventServiceListRequest(filter=EventFilter(watch_ids=["x"]), limit=5),
]
SERIALISED = [*(message.SerializeToString() for message in MESSAGES), b""]
REACHED = {
    *("OK", "INVALID_ARGUMENT", "PERMISSION_DENIED", "UNAUTHENTICATED"),
    *("RESOURCE_EXHAUSTED", "UNIMPLEMENTED"),
}
"""Codes that some calls must end with, which shows that the nonsense reached its target."""


class Fuzzer:
    """Sends malformed requests, one after the other."""

    def __init__(self, address: str, tokens: list[str | None], seed: int) -> None:
        self._address = address
        self._tokens = tokens
        self._random = random.Random(seed)
        self.codes = Counter[str]()

    async def run(self, count: int) -> None:
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_metadata_size", 1 << 16)]
        async with grpc.aio.insecure_channel(self._address, options=options) as channel:
            kinds: list[Callable[[Any], Awaitable[None]]] = [
                *[self._call] * 6, self._half_open, self._raw_bytes,
            ]  # fmt: skip
            for _ in range(count):
                await self._random.choice(kinds)(channel)

    def _payload(self) -> bytes:
        pick = self._random.random()
        if pick < 0.3:
            return self._random.randbytes(self._random.randrange(200))
        if pick < 0.32:
            return self._random.randbytes(OVERSIZED + 1)
        message = bytearray(self._random.choice(SERIALISED))
        if not message:
            return b""
        for _ in range(self._random.randrange(4)):
            message[self._random.randrange(len(message))] = self._random.randrange(256)
        return bytes(message[: self._random.randrange(len(message) + 1)] if pick < 0.6 else message)

    def _metadata(self) -> list[tuple[str, str | bytes]]:
        token = self._random.choice([*self._tokens, self._random.randbytes(9).hex()])
        if token is not None and self._random.random() < 0.1:
            place = self._random.randrange(len(token))
            token = token[:place] + self._random.choice("Az09._~=-") + token[place + 1 :]
        sent: list[tuple[str, str | bytes]] = []
        if token is not None:
            sent.append(("authorization", f"Bearer {token}"))
        if self._random.random() < 0.25:
            sent.append(("x-junk-bin", self._random.randbytes(50)))
            sent.append(("authorization", "Bearer a.b.c"))
        return sent

    def _method(self) -> str:
        odd = ["/hermes.v1.QueryService/Nope", "/x", "/hermes.v1.WorkerService/Ask"]
        return self._random.choice([*METHODS, *METHODS, *odd])

    async def _call(self, channel: Any) -> None:
        """Any bytes to any method, whether it streams or not."""
        begin = self._random.choice([channel.unary_unary, channel.unary_stream])
        method = self._method()
        timeout = 0.2 if method.endswith("/Follow") else 5  # it never ends by itself
        call = begin(method)(self._payload(), metadata=self._metadata(), timeout=timeout)
        if self._random.random() < 0.1:
            call.cancel()
        await self._end_of(call)

    async def _half_open(self, channel: Any) -> None:
        """A stream of requests where one belongs, left open or broken off."""
        call = channel.stream_stream(self._method())(metadata=self._metadata(), timeout=0.2)
        with contextlib.suppress(grpc.RpcError, asyncio.InvalidStateError):
            for _ in range(self._random.randrange(3)):
                await call.write(self._payload())
        if self._random.random() < 0.5:
            call.cancel()
        await self._end_of(call)

    async def _raw_bytes(self, channel: Any) -> None:
        """No gRPC at all: noise, a beginning of HTTP/2, then nothing or an abrupt end."""
        host, port = self._address.split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        noise = self._random.randbytes(self._random.randrange(300))
        writer.write(self._random.choice([b"", PREFACE, b"GET / HTTP/1.1\r\n\r\n"]) + noise)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        if self._random.random() < 0.5:
            writer.transport.abort()
            return
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def _end_of(self, call: Any) -> None:
        with contextlib.suppress(grpc.RpcError, asyncio.CancelledError):
            if hasattr(call, "read"):
                while await call.read() is not grpc.aio.EOF:
                    pass
            else:
                await call
        self.codes[(await call.code()).name] += 1


@asynccontextmanager
async def guarded(redis_url: str, folder: Path) -> AsyncIterator[tuple[Gateway, dict[str, str]]]:
    tokens = write_tokens(
        folder / "tokens.yaml", good="ask:lobby", root="ask:* read:* admin:x* watch:x* ack:x*"
    )
    (folder / "jwks.json").write_bytes(jwks(jwk("k1", "ES256")))
    async with running_gateway(
        redis_url,
        tokens_file=folder / "tokens.yaml",
        jwt_jwks=str(folder / "jwks.json"),
        jwt_issuer=ISSUER,
        jwt_audience=AUDIENCE,
        max_message_bytes=OVERSIZED,
        caller_calls_per_second=1e6,
        caller_burst=1_000_000,
    ) as gateway:
        yield gateway, tokens


@pytest.mark.parametrize(
    "count", [600, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)
async def test_nonsense_does_not_harm_other_clients(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path, lobby: str, count: int,
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    async with guarded(redis_url, tmp_path) as (gateway, tokens):
        address = f"127.0.0.1:{gateway.port}"
        fuzzers = [
            Fuzzer(address, [None, tokens["root"], tokens["good"], signed()], seed)
            for seed in range(4)
        ]
        fuzzing = asyncio.ensure_future(
            asyncio.gather(*(fuzzer.run(count // len(fuzzers)) for fuzzer in fuzzers))
        )
        answered = 0
        async with AsyncHermesClient(address, token=tokens["good"]) as client:
            while not fuzzing.done():
                assert (await client.ask("lobby", "what?").result()).text == "a red car"
                answered += 1
                await asyncio.sleep(0.05)
            await fuzzing
            assert (await client.ask("lobby", "what?").result()).text == "a red car"
        assert answered > 3
        async with asyncio.timeout(10):
            while gateway.open_calls:
                await asyncio.sleep(0.05)
    codes = sum((fuzzer.codes for fuzzer in fuzzers), Counter[str]())
    assert codes.keys() >= REACHED
    out = capsys.readouterr()
    assert "Traceback" not in out.out + out.err
    assert "[error" not in out.out + out.err
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
