"""Who gets in, to which cameras, how often, and what is written down of it: at a real gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import redis
from google.protobuf import message_factory
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2_grpc
from structlog.testing import capture_logs

from hermes import errors
from hermes.client import AsyncHermesClient, HermesClient
from hermes.statuses import error_of
from hermes.v1.query_pb2 import CameraSelector, QueryServiceAskManyRequest, Question
from services.query_gateway.access import token_file
from services.query_gateway.gateway import Gateway
from tests.support.api import METHODS, methods_of
from tests.support.fake_worker import End, FakeWorker, Hang, Say
from tests.support.gateway import own, register, running_gateway
from tests.support.tokens import write_tokens

SCOPES = {
    "guest": "ask:lobby read:lobby",
    "wall": "read:dock-*",
    "root": "ask:* read:* admin:* watch:* ack:*",
    "nobody": "ask:other",
}


@pytest.fixture
def tokens(tmp_path: Path) -> dict[str, str]:
    return write_tokens(tmp_path / "tokens.yaml", **SCOPES)


@pytest.fixture
async def gateway(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path, tokens: dict[str, str]
) -> AsyncIterator[Gateway]:
    async with running_gateway(redis_url, tokens_file=tmp_path / "tokens.yaml") as gateway:
        yield gateway


def client_of(gateway: Gateway, token: str | None = None) -> AsyncHermesClient:
    return AsyncHermesClient(f"127.0.0.1:{gateway.port}", token=token)


def refused(gateway: Gateway, reason: str) -> float:
    registry = gateway.metrics.registry
    return registry.get_sample_value("hermes_refused_calls_total", {"reason": reason}) or 0.0


async def call(
    gateway: Gateway, name: str, token: str | None, request: Message | None = None
) -> Any:
    """A method by its full name. Its response, or all responses of a stream."""
    method = METHODS[name]
    kinds = [
        message_factory.GetMessageClass(kind) for kind in (method.input_type, method.output_type)
    ]
    metadata = () if token is None else (("authorization", f"Bearer {token}"),)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        open_ = channel.unary_stream if method.server_streaming else channel.unary_unary
        begin: Any = open_(
            name,
            request_serializer=kinds[0].SerializeToString,
            response_deserializer=kinds[1].FromString,
        )
        running = begin(request or kinds[0](), metadata=metadata, timeout=5)
        if method.server_streaming:
            return [response async for response in running]
        return await running


async def code_of(gateway: Gateway, name: str, token: str | None) -> grpc.StatusCode:
    try:
        await call(gateway, name, token)
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def test_what_is_walked_is_what_is_served(gateway: Gateway) -> None:
    assert methods_of(*gateway.services) == METHODS


@pytest.mark.parametrize("name", METHODS)
async def test_no_method_is_open(gateway: Gateway, tokens: dict[str, str], name: str) -> None:
    for token in (None, "hermes_wrong", "a.b.c", tokens["root"][:-1]):
        assert await code_of(gateway, name, token) is grpc.StatusCode.UNAUTHENTICATED
    assert refused(gateway, "UNAUTHENTICATED") == 4
    if name.endswith("CameraService/List"):
        assert not (await call(gateway, name, tokens["nobody"])).cameras
        return
    if name.endswith("/AskMany"):  # the right is to each camera, and so is the error
        cameras = CameraSelector(camera_ids=["lobby", "dock"])
        request = QueryServiceAskManyRequest(question=Question(text="what?", cameras=cameras))
        first, *others = await call(gateway, name, tokens["nobody"], request)
        assert first.cameras.camera_ids == ["lobby", "dock"]
        assert [event.error.reason for event in others] == ["PERMISSION_DENIED"] * 2
        return
    assert await code_of(gateway, name, tokens["nobody"]) is grpc.StatusCode.PERMISSION_DENIED
    assert refused(gateway, "PERMISSION_DENIED") == 1
    if name.endswith(("/List", "/Follow")):
        return  # an empty request of theirs means everything
    # Its request is empty: a caller with all rights gets the error for that.
    assert await code_of(gateway, name, tokens["root"]) is grpc.StatusCode.INVALID_ARGUMENT


async def test_health_is_open_and_reflection_is_not_there(gateway: Gateway) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        reply = await health.Check(health_pb2.HealthCheckRequest(), timeout=5)
        assert reply.status == health_pb2.HealthCheckResponse.SERVING
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = stub.ServerReflectionInfo(timeout=5)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await asked.read()
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_token_for_one_camera_asks_no_other(
    gateway: Gateway, tokens: dict[str, str], worker: FakeWorker, lobby: str,
    redis_client: redis.Redis,
) -> None:  # fmt: skip
    register(redis_client, "dock-1")
    own(redis_client, "dock-1", worker.address)
    async with client_of(gateway, tokens["guest"]) as guest:
        assert (await guest.ask("lobby", "what?").result()).text == "a red car"
        assert (await guest.get_camera("lobby")).id == "lobby"
        assert [camera.id for camera in await guest.list_cameras()] == ["lobby"]
        for denied in (
            guest.ask("dock-1", "what?").result(),
            guest.inspect("dock-1"),
            guest.get_camera("dock-1"),
            guest.remove_camera("lobby"),
            guest.add_camera("yard", "rtsp://yard/live"),
        ):
            with pytest.raises(errors.PermissionDenied):
                await denied
    assert len(worker.calls) == 1
    async with client_of(gateway, tokens["wall"]) as wall:
        assert [camera.id for camera in await wall.list_cameras()] == ["dock-1"]
        with pytest.raises(errors.PermissionDenied, match="no scope ask:dock-1"):
            await wall.ask("dock-1", "what?").result()
    async with client_of(gateway, tokens["root"]) as root:
        await root.add_camera("yard", "rtsp://yard/live")
        assert len(await root.list_cameras()) == 3
        await root.remove_camera("yard")


async def test_a_denial_does_not_tell_whether_there_is_such_a_camera(
    gateway: Gateway, tokens: dict[str, str], worker: FakeWorker, redis_client: redis.Redis
) -> None:
    async def denials() -> list[tuple[Any, ...]]:
        found = []
        async with client_of(gateway, tokens["guest"]) as guest:
            for denied in (
                guest.ask("dock", "what?").result(),
                guest.ask("dock", "").result(),
                guest.inspect("dock"),
                guest.get_camera("dock"),
                guest.remove_camera("dock"),
                guest.add_camera("dock", "rtsp://dock/live"),
            ):
                with pytest.raises(errors.PermissionDenied) as caught:
                    await denied
                cause = caught.value.__cause__
                assert isinstance(cause, grpc.aio.AioRpcError)
                found.append((cause.code(), cause.details(), cause.trailing_metadata()))
        return found

    without = await denials()
    register(redis_client, "dock")
    own(redis_client, "dock", worker.address)
    assert await denials() == without


async def test_a_rate_is_its_callers_alone(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path, tokens: dict[str, str]
) -> None:
    async with (
        running_gateway(
            redis_url, tokens_file=tmp_path / "tokens.yaml",
            caller_calls_per_second=0.1, caller_burst=3,
        ) as gateway,
        client_of(gateway, tokens["guest"]) as guest,
        client_of(gateway, tokens["wall"]) as wall,
    ):  # fmt: skip
        await guest.list_cameras()
        with pytest.raises(errors.PermissionDenied):
            await guest.get_camera("dock")  # counts: probing is limited as well
        with pytest.raises(errors.CameraNotFound):
            await guest.ask("lobby", "what?").result()
        for refusal in (guest.list_cameras(), guest.ask("lobby", "what?").result()):
            with pytest.raises(errors.Overloaded, match="3 times at once") as caught:
                await refusal
            assert 8 < caught.value.retry_after_s <= 10
        assert await wall.list_cameras() == []
        assert refused(gateway, "OVERLOADED") == 2


async def test_open_calls_are_bounded_and_come_free(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path, tokens: dict[str, str],
    worker: FakeWorker, lobby: str,
) -> None:  # fmt: skip
    worker.scripts = [[Say("begun"), Hang()], [Say("begun"), Hang()], [Say("a"), End()]]
    async with (
        running_gateway(
            redis_url, tokens_file=tmp_path / "tokens.yaml", caller_open_calls=2
        ) as gateway,
        client_of(gateway, tokens["guest"]) as guest,
        client_of(gateway, tokens["root"]) as root,
    ):
        hanging = [guest.ask("lobby", "what?") for _ in range(2)]
        for stream in hanging:
            assert await anext(stream) == "begun"
        with pytest.raises(errors.Overloaded, match="2 calls of yours are open") as caught:
            await guest.list_cameras()
        assert caught.value.retry_after_s == 1.0
        assert (await root.ask("lobby", "what?").result()).text == "a"
        hanging[0].cancel()
        async with asyncio.timeout(5):
            while True:
                try:
                    await guest.list_cameras()
                    break
                except errors.Overloaded:
                    await asyncio.sleep(0.01)


async def lines_of(gateway: Gateway, use: Any) -> list[dict[str, Any]]:
    """What the audit log says of calls, once they have ended at the gateway too."""
    with capture_logs() as lines:
        await use
        async with asyncio.timeout(5):
            while gateway.open_calls:
                await asyncio.sleep(0.01)
    return [dict(line) for line in lines if line["event"] == "audit"]


async def test_the_audit_log(
    gateway: Gateway, tokens: dict[str, str], worker: FakeWorker, lobby: str
) -> None:
    async def use() -> None:
        worker.scripts = [[Say("a", 0.05), End()], [Say("a"), Hang()], [Say("a"), Hang()]]
        async with client_of(gateway, tokens["guest"]) as guest:
            await guest.ask("lobby", "what is secret?").result()
            with pytest.raises(errors.DeadlineExceeded):
                await guest.ask("lobby", "what is secret?", timeout=0.3).result()
            stream = guest.ask("lobby", "what is secret?")
            await anext(stream)
            stream.cancel()
            with pytest.raises(errors.PermissionDenied):
                await guest.ask("dock", "what is secret?").result()
            with pytest.raises(errors.PermissionDenied):
                await guest.get_camera("x\ny" * 1000)
            await guest.get_camera("lobby")
            await guest.list_cameras()
        async with client_of(gateway, tokens["root"]) as root:
            await root.add_camera("yard", "rtsp://user:hunter2@yard/live")
            with pytest.raises(errors.CameraExists):
                await root.add_camera("yard", "rtsp://yard/live")
            await root.remove_camera("yard")
        async with client_of(gateway, "hermes_wrong") as wrong:
            with pytest.raises(errors.Unauthenticated):
                await wrong.ask("lobby", "what?").result()

    lines = await lines_of(gateway, use())
    logged = [
        (line["who"], line["method"].rsplit("/")[-1], line["camera"], line["code"])
        for line in lines
    ]
    ask, guest, root = "Ask", "token:guest", "token:root"
    assert sorted(logged) == sorted([
        (guest, ask, "lobby", "OK"), (guest, ask, "lobby", "DEADLINE_EXCEEDED"),
        (guest, ask, "lobby", "CANCELLED"), (guest, ask, "dock", "PERMISSION_DENIED"),
        (guest, "Get", "?", "PERMISSION_DENIED"),
        (root, "Add", "yard", "OK"), (root, "Add", "yard", "ALREADY_EXISTS"),
        (root, "Remove", "yard", "OK"),
    ])  # fmt: skip
    assert 0.05 <= lines[0]["seconds"] < 5
    assert lines[0]["peer"].startswith("ipv4:127.0.0.1:")
    everything = str(lines)
    assert not any(secret in everything for secret in ("secret?", "hunter2", *tokens.values()))


async def test_the_audit_log_with_questions(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path, tokens: dict[str, str], lobby: str
) -> None:
    async with (
        running_gateway(
            redis_url, tokens_file=tmp_path / "tokens.yaml", audit_questions=True
        ) as gateway,
        client_of(gateway, tokens["guest"]) as guest,
    ):
        (line,) = await lines_of(gateway, guest.ask("lobby", "what\nnow?").result())
        assert line["question"] == "what\nnow?"


async def test_the_file_is_read_again(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path, tokens: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(token_file, "REREAD_EVERY_S", 0.02)
    path = tmp_path / "tokens.yaml"
    async with running_gateway(redis_url, tokens_file=path) as gateway:
        new = write_tokens(path, guest="read:*")["guest"]

        async def can_read(token: str) -> bool:
            async with client_of(gateway, token) as client:
                try:
                    await client.list_cameras()
                except errors.Unauthenticated:
                    return False
            return True

        async with asyncio.timeout(5):
            while not await can_read(new):
                await asyncio.sleep(0.02)
        assert not await can_read(tokens["guest"])


async def test_clients_send_what_a_callable_gives(gateway: Gateway, tokens: dict[str, str]) -> None:
    given = iter(["hermes_old", tokens["root"], tokens["root"]])

    def use() -> None:
        with HermesClient(f"127.0.0.1:{gateway.port}", token=lambda: next(given)) as client:
            with pytest.raises(errors.Unauthenticated, match="not known here"):
                client.list_cameras()
            assert client.list_cameras() == []
            with pytest.raises(errors.CameraNotFound):
                client.ask("lobby", "what?").result()

    await asyncio.to_thread(use)


async def test_off_is_told_once_and_open(redis_url: str, redis_client: redis.Redis) -> None:
    with capture_logs() as lines:
        async with running_gateway(redis_url) as gateway, client_of(gateway) as anyone:
            assert await anyone.list_cameras() == []
    assert [line["event"] for line in lines].count("authentication_off") == 1


async def test_a_refusal_is_the_same_error_for_every_client(gateway: Gateway) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(gateway, "/hermes.v1.CameraService/List", None)
    assert isinstance(error_of(caught.value, "the gateway"), errors.Unauthenticated)
    assert "HERMES_TOKEN" in (caught.value.details() or "")
