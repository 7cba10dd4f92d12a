"""What a caller may have registered holds at every gateway, whatever others do at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
import redis

from hermes.errors import CameraExists, HermesError, LimitReached, Unavailable
from hermes.v1.camera_pb2 import Camera
from hermes.v1.watch_pb2 import Watch
from services.common import keys
from services.common.cameras import SourcePolicy
from services.common.connection import connect_async
from services.query_gateway.access.token_limits import Quota
from services.query_gateway.access.viewer import ANYONE
from services.query_gateway.catalogue import CameraCatalogue
from services.query_gateway.directory import Directory
from services.query_gateway.events.store import EventStore
from services.query_gateway.known_cameras import KnownCameras
from services.query_gateway.watches.catalogue import WatchCatalogue
from tests.support.watches import yes_no

ANN, BOB = (Quota(who, 3, "things", "remove one") for who in ("token:ann", "token:bob"))


def gateway(client: Any) -> CameraCatalogue:
    return CameraCatalogue(client, SourcePolicy(), KnownCameras(client))


def camera(name: str) -> Camera:
    return Camera(id=name, url="rtsp://camera/live", created_by="token:somebody-else")


async def sure(call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """As a client does: again, if a busy machine was too slow for a gateway's patience."""
    while True:
        with suppress(Unavailable):
            return await call()


async def outcomes(calls: Sequence[Callable[[], Coroutine[Any, Any, Any]]]) -> list[str]:
    found = await asyncio.gather(*map(sure, calls), return_exceptions=True)
    for one in found:
        if isinstance(one, BaseException) and not isinstance(one, HermesError):
            raise one
    return sorted(type(one).__name__ for one in found)


async def test_cameras_of_a_caller_are_counted_over_all_gateways(
    client: redis.Redis, each_redis_url: str
) -> None:
    for number in range(5):  # by an older gateway: they count for nobody
        name = f"old-{number}"
        raw = Camera(id=name, url="rtsp://camera/live").SerializeToString()
        client.hset(keys.CAMERAS, name, raw)
    links = [connect_async(each_redis_url) for _ in range(2)]
    try:
        first, second = map(gateway, links)
        calls = [
            partial(one.add, camera(f"{at}-{number}"), ANN)
            for at, one in (("a", first), ("b", second))
            for number in range(4)
        ]
        assert await outcomes(calls) == ["CameraInfo"] * 3 + ["LimitReached"] * 5
        own = [info.camera for info in await first.all() if info.camera.created_by]
        assert {one.created_by for one in own} == {"token:ann"}
        assert (await second.add(camera("bobs"), BOB)).camera.created_by == "token:bob"
        with pytest.raises(LimitReached, match=r"as many things as it may \(3 of 3\)"):
            await second.add(camera("one-more"), ANN)
        with pytest.raises(CameraExists):
            await first.add(camera("bobs"), Quota("token:ann", 9, "things", ""))
        await second.remove(own[0].id)
        await first.add(camera("one-more"), ANN)
        assert (await first.add(camera("free"))).camera.created_by == ""
    finally:
        for link in links:
            await link.aclose()


async def test_watches_of_a_caller_are_counted_likewise(
    client: redis.Redis, each_redis_url: str
) -> None:
    links = [connect_async(each_redis_url) for _ in range(2)]
    try:
        first, second = (
            WatchCatalogue(link, Directory(link), EventStore(link), 100, 100) for link in links
        )
        calls = [
            partial(one.create, yes_no(f"{at}-{number}"), ANYONE, ANN)
            for at, one in (("a", first), ("b", second))
            for number in range(4)
        ]
        assert await outcomes(calls) == ["LimitReached"] * 5 + ["WatchInfo"] * 3
        version = client.get(keys.WATCHES_VERSION)
        assert version == b"3", "each that was created makes it grow"
        held: Any = client.hgetall(keys.WATCHES)
        mine = [Watch.FromString(raw) for raw in held.values()]
        assert {watch.created_by for watch in mine} == {"token:ann"}
        await second.delete(mine[0].id, ANYONE)
        await first.create(yes_no("one-more"), ANYONE, ANN)
    finally:
        for link in links:
            await link.aclose()
