"""Each service's user in Redis: it can do its own work, and nobody else's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.exceptions import NoPermissionError

from hermes.v1.camera_pb2 import Camera, CameraServiceUpdateRequest
from hermes.v1.event_pb2 import Acknowledgement
from hermes.v1.watch_pb2 import WatchServiceUpdateRequest
from services.common import keys
from services.common.cameras import SourcePolicy
from services.common.connection import RedisAccess, connect, connect_async
from services.common.event_log import AsyncRedisEventLog, RedisEventLog, Retention
from services.common.files import UnusableFile
from services.common.frame_log import BEGINNING, LogId, RedisFrameLog
from services.common.leases import Leases
from services.common.scripts import load_script
from services.common.watch_registry import WatchRegistry
from services.common.watch_room import WatchRooms
from services.common.watch_state import RedisWatchState
from services.notifier.dead_letters import DeadLetters
from services.query_gateway.access.viewer import ANYONE
from services.query_gateway.camera_update import CameraUpdate
from services.query_gateway.catalogue import CameraCatalogue
from services.query_gateway.directory import Directory
from services.query_gateway.epochs import Epochs
from services.query_gateway.events.endings import Endings
from services.query_gateway.events.store import EventStore
from services.query_gateway.known_cameras import KnownCameras
from services.query_gateway.resolver import Resolver
from services.query_gateway.watches.catalogue import WatchCatalogue
from services.query_gateway.watches.changes import WatchChanges
from tests.support import events, notifiers
from tests.support.certificates import Authority
from tests.support.chunks import chunk
from tests.support.event_messages import opened
from tests.support.holder import Instance
from tests.support.secured_redis import SERVICES, SecuredRedis, secured_redis
from tests.support.watches import yes_no
from tests.support.webhook_receiver import WebhookReceiver

LOBBY = Camera(id="lobby", url="rtsp://camera/1")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredRedis]:
    with secured_redis(tmp_path_factory.mktemp("redis") / "redis") as server:
        yield server


@pytest.fixture
def admin(server: SecuredRedis) -> Iterator[redis.Redis]:
    with server.connect("admin") as client:
        client.flushall()
        client.acl_log_reset()
        yield client


@pytest.fixture
async def gateway(server: SecuredRedis) -> AsyncIterator[redis.asyncio.Redis]:
    client = connect_async(server.url, access=server.access("gateway"))
    yield client
    await client.aclose()


async def test_the_notifier_can_do_its_work(
    server: SecuredRedis, admin: redis.Redis, tmp_path: Path
) -> None:
    refused, taken = events.opened(), events.closed(events.opened())
    with server.connect("notifier") as client:
        assert client.hget(keys.WATCHES, "fall") is None  # whether it is answered with a number
    access = server.access("notifier")
    with WebhookReceiver([410]) as receiver:
        sinks = notifiers.sinks_file(
            tmp_path,
            notifiers.webhook("a", receiver.url),
            {"name": "b", "kind": "alertmanager", "url": receiver.url, "allow_private": True},
        )
        more = {"redis_username": access.username, "redis_password_file": access.password_file}
        async with notifiers.notifying(server.url, sinks, **more) as metrics:
            events.write(admin, refused, taken)
            letters = DeadLetters(admin, "a")
            await notifiers.soon(lambda: letters.all() or DeadLetters(admin, "b").all())
            await notifiers.soon(lambda: len(receiver.taken) == 3)
            for sink in ("a", "b"):
                letters = DeadLetters(admin, sink)
                letters.resend([letter.position for letter in letters.all()])
            await notifiers.soon(lambda: len(receiver.taken) == 4)
            labels = {"sink": "b"}
            pending = metrics.registry.get_sample_value
            await notifiers.soon(
                lambda: pending("hermes_notifications_pending", labels) is not None
            )
    assert server.refusals() == []


async def test_each_can_do_its_work(
    server: SecuredRedis, admin: redis.Redis, gateway: redis.asyncio.Redis
) -> None:
    assert await gateway.ping()
    known = KnownCameras(gateway)
    assert await known.refresh() == 0
    catalogue = CameraCatalogue(gateway, SourcePolicy(), known)
    await catalogue.add(LOBBY)

    reader, chunks = server.connect("decoder"), RedisFrameLog(server.connect("decoder"))
    assert chunks.last_id("lobby") == BEGINNING
    reading = Instance(reader, "d1", role="decoder")
    reading.ownership.tick()
    lease = reading.holder.has["lobby"]
    first = chunks.append(chunk("lobby", 1_000, 2, epoch=lease.epoch), lease.fence)
    assert chunks.append(chunk("lobby", 1_000, 2, epoch=lease.epoch), lease.fence) == first
    last = chunks.append(chunk("lobby", 2_000, 2, epoch=lease.epoch), lease.fence, first)
    assert chunks.last_id("lobby") == last
    assert chunks.size("lobby") > 0
    assert len(chunks.read({"lobby": BEGINNING}, count=9, block_s=0.0)) == 2
    reading.ownership.tick()
    assert reading.leases.put_status([(lease, {"source_state": 1})]) == 0
    assert reader.hmget(keys.status("lobby"), ["memory_id"]) == [None]

    worker = server.connect("worker")
    remembering = Instance(worker, "w1")
    remembering.ownership.tick()
    held = remembering.holder.has["lobby"]
    assert len(RedisFrameLog(worker).read({"lobby": BEGINNING}, count=9, block_s=0.01)) == 2
    assert RedisFrameLog(worker).last_id("lobby") == last
    assert remembering.leases.put_status([(held, {"memory_state": 2})]) == 0
    commit = load_script(worker, "checkpoint")
    entry = [held.fence.instance, held.epoch, "{}", "1-0", 3]
    assert commit(keys=[keys.checkpoint("lobby"), keys.lease("lobby", "worker")], args=entry) == []
    assert worker.hget(keys.checkpoint("lobby"), "snapshots")
    remembering.ownership.tick()

    assert (await Resolver(gateway, Epochs(), known).resolve("lobby")).epoch == held.epoch
    assert [one.camera.id for one in await catalogue.all()] == ["lobby"]
    assert (await catalogue.get("lobby")).camera.id == "lobby"
    put = CameraServiceUpdateRequest(camera=Camera(id="lobby"), put_labels={"site": "dock"})
    updated = await catalogue.update(CameraUpdate.read(put))
    assert dict(updated.camera.labels) == {"site": "dock"}

    directory, events = Directory(gateway), EventStore(gateway)
    watches = WatchCatalogue(gateway, directory, events, 100, 100)
    await watches.create(yes_no("fall"), ANYONE)
    registry = WatchRegistry(worker)
    assert registry.refresh()
    WatchRooms(worker, "w1").publish(10, 1)
    changes = WatchServiceUpdateRequest(watch=yes_no("fall", text="Is it?"))
    changes.update_mask.paths.append("text")
    await watches.update(WatchChanges.read(changes), ANYONE)
    state = RedisWatchState(worker, held, RedisEventLog(worker, Retention(most=1)))
    state.write({"fall": b"open"}, [opened("e0"), opened("e1")])
    assert state.read() == {"fall": b"open"}
    assert state.publish() == 2
    acknowledgements = AsyncRedisEventLog(gateway)
    assert (await acknowledgements.acknowledge("e1", Acknowledgement(by="x"))).sequence == 2
    assert [event.id async for event in events.newest(lambda _: True, before_ms=2**50)] == ["e1"]
    assert (await events.get("e1")) is not None
    assert await events.lost_since(LogId(1))
    assert await events.wait_after(LogId(1), 1)
    assert [event.id async for event in events.newest(lambda _: True, before_id="e1")] == []
    await Endings(events, acknowledgements, known).step()
    admin.delete(keys.WATCHES)
    registry.refresh()
    assert admin.hexists(keys.WATCHES, "fall")
    await watches.delete("fall", ANYONE)

    # Handed over, taken back from a Redis that forgot, and given up.
    for one in (remembering, reading):
        other = Leases(server.connect(one.role), one.role, "successor", "")
        owner = other.owners(["lobby"])["lobby"]
        assert owner is not None
        assert other.prepare("lobby", owner, ready=True) == "SUCCESSOR"
        assert one.leases.hand_over(one.holder.has["lobby"], "successor") == "GIVEN"
        for key in (keys.INCARNATION, keys.CAMERAS, keys.lease("lobby", one.role)):
            admin.delete(key)
        one.ownership.tick()
        assert admin.hexists(keys.CAMERAS, "lobby")
        assert admin.exists(keys.aside("lobby", "worker"), keys.aside("lobby", "decoder")) == 2
        one.ownership.stop()
    admin.delete(keys.aside("lobby", "worker"))
    await catalogue.remove("lobby")
    assert not admin.exists(*keys.all_of("lobby"))
    assert server.refusals() == []


SET_LEASE = ("HSET", keys.lease("lobby", "worker"), "instance", "thief")
FRAME = ("XADD", keys.frames("lobby"), "*", "c", "x")
NOT_THEIRS: dict[str, list[tuple[str, ...]]] = {
    "decoder": [
        SET_LEASE,
        ("HGETALL", keys.lease("lobby", "worker")),
        ("DEL", keys.lease("lobby", "worker")),
        ("HSET", keys.CAMERAS, "lobby", "another"),
        ("HDEL", keys.CAMERAS, "lobby"),
        ("HGET", keys.checkpoint("lobby"), "snapshots"),
        ("HGETALL", keys.WATCHES),
        ("XADD", keys.EVENTS, "*", "e", "x"),
        ("HSET", keys.members("worker"), "thief", "{}"),
    ],
    "worker": [
        FRAME,
        ("DEL", keys.frames("lobby")),
        ("HSET", keys.lease("lobby", "decoder"), "instance", "thief"),
        ("HSET", keys.CAMERAS, "lobby", "another"),
        ("HDEL", keys.CAMERAS, "lobby"),
        ("HSET", keys.members("decoder"), "thief", "{}"),
        ("HSET", keys.WATCHES, "fall", "another"),
        ("HDEL", keys.WATCHES, "fall"),
    ],
    "gateway": [
        SET_LEASE,
        FRAME,
        ("XREAD", "STREAMS", keys.frames("lobby"), "0"),
        ("HSET", keys.CAMERAS, "lobby", "another"),
        ("HSET", keys.status("lobby"), "memory_state", "2"),
        ("HSET", keys.WATCHES, "fall", "another"),
        ("HSET", keys.watch_state("lobby"), "fall", "another"),
        ("HGETALL", keys.checkpoint("lobby")),
        ("EVAL", "return 1", "0"),
    ],
    "notifier": [
        SET_LEASE,
        FRAME,
        ("HGETALL", keys.CAMERAS),
        ("HSET", keys.WATCHES, "fall", "another"),
        ("XADD", keys.EVENTS, "*", "e", "x"),
        ("XTRIM", keys.EVENTS, "MAXLEN", "0"),
        ("XGROUP", "DESTROY", keys.EVENTS, "notifier:a"),
        ("DEL", keys.EVENTS),
    ],
}
NOBODYS: list[tuple[str, ...]] = [
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("KEYS", "*"),
    ("SCAN", "0"),
    ("CONFIG", "GET", "requirepass"),
    ("ACL", "LIST"),
    ("MONITOR",),
    ("CLIENT", "LIST"),
    ("SHUTDOWN",),
    ("REPLICAOF", "127.0.0.1", "1"),
    ("GET", "of-somebody-else"),
    ("DEL", keys.members("worker")),
]


@pytest.mark.parametrize("service", SERVICES)
def test_none_can_do_anything_else(server: SecuredRedis, admin: redis.Redis, service: str) -> None:
    client: Any = server.connect(service)
    wanted = [*NOT_THEIRS[service], *NOBODYS]
    if service == "worker":
        wanted.remove(("DEL", keys.members("worker")))  # its own
    for command in wanted:
        with pytest.raises(NoPermissionError):
            client.execute_command(*command)
        if service != "gateway":  # a script can do what its caller can
            quoted = ", ".join(f"'{part}'" for part in command)
            script = client.register_script(f"return redis.call({quoted})")
            with pytest.raises(redis.ResponseError, match=r"script can't|from script"):
                script(client=client)
    assert admin.dbsize() == 0
    client.close()


@pytest.mark.parametrize("service", ["decoder", "gateway"])
def test_none_takes_the_lease_of_another_role(
    server: SecuredRedis, admin: redis.Redis, service: str
) -> None:
    with server.connect(service) as client, pytest.raises(NoPermissionError):
        Leases(client, "worker", "thief", "10.0.0.1:1").acquire("lobby")
    assert admin.dbsize() == 0


def test_the_password_is_read_again_and_never_told(server: SecuredRedis, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("hunter2-sesame\n")
    access = RedisAccess("hermes-worker", file)
    client = connect(server.url, access=access)
    with pytest.raises(redis.AuthenticationError) as refused:
        client.ping()
    assert "hunter2" not in str(refused.value) + repr(client) + repr(access)
    file.write_text("worker")
    assert client.ping()
    file.unlink()
    client.connection_pool.disconnect()
    with pytest.raises(redis.ConnectionError, match=f"{file} cannot be read"):
        client.ping()
    with pytest.raises(UnusableFile, match=f"{file} cannot be read"):
        connect(server.url, access=access)
    file.write_text("one\ntwo\n")
    with pytest.raises(UnusableFile, match="must hold one line, and holds 2"):
        connect(server.url, access=access)
    client.close()


async def test_a_redis_with_tls(tmp_path: Path) -> None:
    ours, stranger = Authority("cluster"), Authority("stranger")
    files = ours.issue(tmp_path / "tls", "redis")
    with secured_redis(tmp_path / "redis", files) as server:
        access = server.access("gateway")
        with server.connect("decoder") as client:
            assert client.time()
        gateway = connect_async(server.url, access=access)
        assert await gateway.ping()
        # Rotated: the next connection shows, and trusts, what the files hold then.
        ours.issue(files.folder, "renewed")
        with server.connect("worker") as client:
            assert client.time()
        await gateway.aclose()
        foreign = stranger.issue(tmp_path / "foreign", "redis")
        with pytest.raises(redis.ConnectionError, match="certificate verify failed"):
            connect(server.url, access=replace(access, ca_file=foreign.ca)).ping()
        with pytest.raises(redis.ConnectionError):  # it lets in who shows a certificate
            connect(server.url, access=replace(access, cert_file=None, key_file=None)).ping()
        with pytest.raises(redis.ConnectionError):
            connect(server.url.replace("rediss", "redis")).ping()
        with pytest.raises(UnusableFile, match="cannot be used"):
            connect(server.url, access=RedisAccess(ca_file=files.key))
