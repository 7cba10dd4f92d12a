"""Limits of a token at a real gateway: what is refused, and what is said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import grpc.aio
import pytest
import redis

from hermes import errors
from hermes.client import AsyncHermesClient, last
from hermes.v1.event_pb2 import EventServiceFollowRequest
from hermes.v1.event_pb2_grpc import EventServiceStub
from services.common.caller import mark_of
from services.query_gateway.access.token_file import new_token
from services.query_gateway.gateway import Gateway
from tests.support.fake_worker import FakeWorker
from tests.support.gateway import running_gateway

SCOPES = ["ask:*", "read:*", "admin:*", "watch:*"]
LIMITS = {"cameras": 1, "followers": 1, "cameras_asked": 2, "span_s": 60}


@pytest.fixture
async def gateway(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path, tokens: dict[str, str]
) -> AsyncIterator[Gateway]:
    async with running_gateway(redis_url, tokens_file=tmp_path / "tokens.yaml") as gateway:
        yield gateway


@pytest.fixture
def tokens(tmp_path: Path) -> dict[str, str]:
    made = {
        "guest": new_token("guest", SCOPES, limits=LIMITS),
        "root": new_token("root", SCOPES),
    }
    (tmp_path / "tokens.yaml").write_text("\n".join(line for _, line in made.values()))
    return {name: token for name, (token, _) in made.items()}


@pytest.fixture
async def guest(tokens: dict[str, str], gateway: Gateway) -> AsyncIterator[AsyncHermesClient]:
    async with AsyncHermesClient(f"127.0.0.1:{gateway.port}", token=tokens["guest"]) as client:
        yield client


async def test_a_camera_too_many_is_refused_in_words(
    guest: AsyncHermesClient, gateway: Gateway, tokens: dict[str, str]
) -> None:
    await guest.add_camera("yard", "rtsp://yard/live")
    with pytest.raises(
        errors.LimitReached, match=r"as many cameras as it may \(1 of 1\): remove one"
    ) as caught:
        await guest.add_camera("gate", "rtsp://gate/live")
    status = caught.value.__cause__
    assert isinstance(status, grpc.aio.AioRpcError)
    assert status.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    refused = {"reason": "LIMIT_REACHED"}
    assert gateway.metrics.registry.get_sample_value("hermes_refused_calls_total", refused) == 1
    async with AsyncHermesClient(f"127.0.0.1:{gateway.port}", token=tokens["root"]) as root:
        await root.add_camera("gate", "rtsp://gate/live")
        await root.remove_camera("yard")
    await guest.add_camera("door", "rtsp://door/live")


async def test_a_question_about_too_much_names_its_field(
    guest: AsyncHermesClient, worker: FakeWorker, lobby: str
) -> None:
    with pytest.raises(errors.InvalidInput, match=r"question.span: means 120 s; .* 60 s at a time"):
        await guest.ask(lobby, "what?", span=last(minutes=2)).result()
    with pytest.raises(errors.InvalidInput, match="40 s of each of 2 cameras"):
        await guest.ask_many("what?", cameras=[lobby, "b"], span=last(seconds=40)).result()
    with pytest.raises(errors.InvalidInput, match="at most 2 are asked at a time for this token"):
        await guest.ask_many("what?", cameras=[lobby, "b", "c"]).result()
    assert not worker.calls
    assert (await guest.ask(lobby, "what?").result()).text == "a red car"
    assert worker.calls[0].mark == mark_of("token:guest"), "the worker tells callers apart"


async def test_a_follower_too_many_is_refused_until_one_ends(
    gateway: Gateway, tokens: dict[str, str], guest: AsyncHermesClient
) -> None:
    metadata = (("authorization", f"Bearer {tokens['guest']}"),)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        follow = EventServiceStub(channel).Follow  # type: ignore[no-untyped-call]
        first = follow(EventServiceFollowRequest(after="0"), metadata=metadata)
        reading = asyncio.ensure_future(first.read())
        async with asyncio.timeout(5):
            while gateway.open_calls < 1:
                await asyncio.sleep(0.01)
        second = follow(EventServiceFollowRequest(), metadata=metadata)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await second.read()
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "that follow events or frames as it may (1 of 1, at each gateway)" in (
            caught.value.details() or ""
        )
        assert await guest.list_cameras() == [], "other calls go on"
        first.cancel()
        await asyncio.wait({reading})
