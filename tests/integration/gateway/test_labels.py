"""Labels and display names over the API: given, changed in one step, and selected by."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import grpc
import grpc.aio
import pytest
import redis
from google.protobuf.field_mask_pb2 import FieldMask
from structlog.testing import capture_logs

from hermes import errors
from hermes.client import AsyncHermesClient
from hermes.v1.camera_pb2 import (
    Camera,
    CameraInfo,
    CameraServiceListRequest,
    CameraServiceListResponse,
    CameraServiceUpdateRequest,
)
from hermes.v1.camera_pb2_grpc import (
    CameraServiceServicer,
    CameraServiceStub,
    add_CameraServiceServicer_to_server,
)
from services.common import keys
from services.query_gateway.gateway import Gateway
from tests.support.fake_worker import FakeWorker
from tests.support.gateway import register, running_gateway
from tests.support.tokens import write_tokens

URL = "rtsp://user:hunter2@10.0.0.5/live"


@pytest.fixture
async def other(redis_url: str, gateway: Gateway) -> AsyncIterator[AsyncHermesClient]:
    """A client of a second gateway on the same Redis."""
    async with (
        running_gateway(redis_url) as second,
        AsyncHermesClient(f"127.0.0.1:{second.port}") as client,
    ):
        yield client


def stored(client: redis.Redis, camera_id: str) -> Camera:
    raw = client.hget(keys.CAMERAS, camera_id)
    assert isinstance(raw, bytes)
    return Camera.FromString(raw)


async def test_labels_are_given_shown_and_selected_by(client: AsyncHermesClient) -> None:
    dock = await client.add_camera(
        "dock", URL, labels={"site": "dock", "floor": "2"}, display_name="Dock, gate 3"
    )
    assert (dock.labels, dock.display_name) == ({"site": "dock", "floor": "2"}, "Dock, gate 3")
    assert await client.get_camera("dock") == dock
    await client.add_camera("yard", URL, labels={"site": "yard"})
    await client.add_camera("lobby", URL)

    async def selected(selector: str) -> list[str]:
        return [camera.id for camera in await client.list_cameras(selector)]

    assert await selected("") == ["dock", "lobby", "yard"]
    assert await selected("site=dock") == ["dock"]
    assert await selected("site") == ["dock", "yard"]
    assert await selected("!site") == ["lobby"]
    assert await selected("site!=dock") == ["lobby", "yard"]
    assert await selected("site in (dock, yard), floor notin (2)") == ["yard"]
    assert await selected("site=roof") == []


async def test_an_update_changes_what_it_names_and_nothing_else(
    client: AsyncHermesClient, redis_client: redis.Redis, worker: FakeWorker, lobby: str
) -> None:
    """The entry keeps its `created`, its URL with the password, and everything in Redis."""
    before = stored(redis_client, lobby)
    leases = redis_client.hgetall(keys.lease(lobby, "worker"))
    updated = await client.update_camera(
        lobby, put_labels={"site": "dock", "floor": "2"}, display_name="Lobby"
    )
    assert (updated.labels, updated.display_name) == ({"site": "dock", "floor": "2"}, "Lobby")
    assert updated.memory.epoch == (await client.get_camera(lobby)).memory.epoch
    await client.update_camera(lobby, put_labels={"site": "yard"}, remove_labels=["floor", "x"])
    after = stored(redis_client, lobby)
    assert dict(after.labels) == {"site": "yard"}
    assert after.display_name == "Lobby"
    after.labels.clear()
    after.display_name = ""
    assert after == before
    assert redis_client.hgetall(keys.lease(lobby, "worker")) == leases
    await client.update_camera(lobby, labels={}, display_name="")
    assert stored(redis_client, lobby) == before


async def test_refusals_name_the_field(client: AsyncHermesClient, gateway: Gateway) -> None:
    with pytest.raises(errors.CameraNotFound):
        await client.update_camera("nowhere", labels={})
    async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        stub = cast(Any, CameraServiceStub)(channel)
        for request, said in (
            (CameraServiceUpdateRequest(), "camera: is missing"),
            (
                CameraServiceUpdateRequest(
                    camera=Camera(id="lobby", url=URL), update_mask=FieldMask(paths=["url"])
                ),
                "update_mask: 'url' cannot be changed; remove the camera and add it again",
            ),
        ):
            with pytest.raises(grpc.aio.AioRpcError, match=said) as refused:
                await stub.Update(request, timeout=5)
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        with pytest.raises(grpc.aio.AioRpcError, match="selector: at character 6") as refused:
            await stub.List(CameraServiceListRequest(selector="a in b"), timeout=5)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_gateways_and_their_callers_lose_no_change(
    client: AsyncHermesClient, other: AsyncHermesClient, redis_client: redis.Redis
) -> None:
    """Updates of one camera through two gateways, while others are added and removed."""
    await client.add_camera("lobby", URL, labels={"old": ""})
    created = stored(redis_client, "lobby").created

    async def come_and_go(name: str, through: AsyncHermesClient) -> None:
        for _ in range(3):
            await through.add_camera(name, URL)
            await through.remove_camera(name)

    await asyncio.gather(
        *(
            through.update_camera("lobby", put_labels={f"{at}-{number}": "x"})
            for number in range(10)
            for at, through in (("one", client), ("other", other))
        ),
        other.update_camera("lobby", remove_labels=["old"], display_name="Lobby"),
        *(come_and_go(f"c{number}", client) for number in range(3)),
        *(come_and_go(f"d{number}", other) for number in range(3)),
    )
    after = stored(redis_client, "lobby")
    assert {*after.labels} == {f"{at}-{number}" for at in ("one", "other") for number in range(10)}
    assert (after.created, after.display_name) == (created, "Lobby")
    assert redis_client.hkeys(keys.CAMERAS) == [b"lobby"]


async def test_an_update_never_brings_a_removed_camera_back(
    client: AsyncHermesClient, other: AsyncHermesClient, redis_client: redis.Redis
) -> None:
    for _ in range(10):
        await client.add_camera("lobby", URL)
        updates = [other.update_camera("lobby", put_labels={str(n): ""}) for n in range(4)]
        removal, *outcomes = await asyncio.gather(
            client.remove_camera("lobby"), *updates, return_exceptions=True
        )
        assert removal is None
        assert all(not isinstance(o, Exception) or _is_gone(o) for o in outcomes)
        assert not redis_client.exists(keys.CAMERAS)


def _is_gone(error: BaseException) -> bool:
    return isinstance(error, errors.CameraNotFound)


async def test_an_update_takes_the_right_to_add_and_is_written_down(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    tokens = write_tokens(tmp_path / "tokens.yaml", guest="ask:* read:*", owner="admin:dock-*")
    register(redis_client, "dock-1")
    register(redis_client, "lobby")
    async with running_gateway(redis_url, tokens_file=tmp_path / "tokens.yaml") as gateway:
        address = f"127.0.0.1:{gateway.port}"
        async with (
            AsyncHermesClient(address, token=tokens["guest"]) as guest,
            AsyncHermesClient(address, token=tokens["owner"]) as owner,
        ):
            with capture_logs() as logged:
                await owner.update_camera("dock-1", put_labels={"site": "dock"})
                for denied in (
                    guest.update_camera("dock-1", put_labels={"site": "mine"}),
                    owner.update_camera("lobby", put_labels={"site": "dock"}),
                ):
                    with pytest.raises(errors.PermissionDenied):
                        await denied
            assert [one.id for one in await guest.list_cameras("site=dock")] == ["dock-1"]
    lines = [line for line in logged if line["event"] == "audit"]
    assert [(line["who"], line["camera"], line["code"]) for line in lines] == [
        ("token:owner", "dock-1", "OK"),
        ("token:guest", "dock-1", "PERMISSION_DENIED"),
        ("token:owner", "lobby", "PERMISSION_DENIED"),
    ]
    assert {line["method"] for line in lines} == {"/hermes.v1.CameraService/Update"}


async def test_an_entry_of_an_older_gateway_can_be_updated(
    client: AsyncHermesClient, redis_client: redis.Redis
) -> None:
    register(redis_client, "lobby")
    assert (await client.get_camera("lobby")).labels == {}
    assert (await client.update_camera("lobby", put_labels={"a": ""})).labels == {"a": ""}


class OlderGateway(CameraServiceServicer):
    """Knows neither labels nor selectors."""

    async def List(self, request: Any, context: Any) -> CameraServiceListResponse:  # noqa: N802
        cameras = [CameraInfo(camera=Camera(id=id)) for id in ("dock", "lobby")]
        return CameraServiceListResponse(cameras=cameras)


async def test_an_older_gateway_selects_no_camera_by_mistake() -> None:
    server = grpc.aio.server()
    cast(Any, add_CameraServiceServicer_to_server)(OlderGateway(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with AsyncHermesClient(f"127.0.0.1:{port}") as client:
            assert await client.list_cameras("site=dock") == []
            assert len(await client.list_cameras("!site")) == len(await client.list_cameras()) == 2
            with pytest.raises(errors.Unsupported, match="does not know this call"):
                await client.update_camera("dock", put_labels={"site": "dock"})
    finally:
        await server.stop(0)
