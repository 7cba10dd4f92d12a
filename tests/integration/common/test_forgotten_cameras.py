"""A camera is given up only if it was removed by name. Tests delete keys of Redis one by one."""

from __future__ import annotations

import pytest
import redis

from hermes.v1.camera_pb2 import Camera
from services.common import keys, tombstones
from services.common.leases import TTL_S
from tests.integration.common.conftest import Clock
from tests.support.holder import Instance, add, remove, traces

FORGOTTEN = {
    "the registry": [keys.CAMERAS],
    "the incarnation": [keys.INCARNATION],
    "the registry and the incarnation": [keys.CAMERAS, keys.INCARNATION],
    "the workers": [keys.members("worker")],
    "the leases": [keys.lease("lobby", "worker"), keys.lease("dock", "worker")],
    "the registry and the leases": [
        keys.CAMERAS,
        keys.lease("lobby", "worker"),
        keys.lease("dock", "worker"),
    ],
    "the frames": [keys.frames("lobby")],
    "the checkpoint": [keys.checkpoint("lobby")],
    "the status": [keys.status("lobby")],
}


def rounds(clock: Clock, *instances: Instance, count: int = 8) -> None:
    for _ in range(count):
        for instance in instances:
            instance.ownership.tick()
        clock.now += 0.5


@pytest.mark.parametrize("what", [*FORGOTTEN, "one camera", "everything"])
def test_no_camera_is_given_up_when_redis_forgets(
    client: redis.Redis, clock: Clock, what: str
) -> None:
    one = Instance(client, "one", clock=clock)
    add(client, "lobby", "dock")
    one.ownership.tick()
    registry = client.hgetall(keys.CAMERAS)
    for key in ("frames", "checkpoint", "status"):
        client.set(getattr(keys, key)("lobby"), "x")
    if what == "everything":
        client.flushdb()
    elif what == "one camera":
        client.hdel(keys.CAMERAS, "lobby")
    else:
        client.delete(*FORGOTTEN[what])
    rounds(clock, one)
    assert client.hgetall(keys.CAMERAS) == registry
    assert one.has == {"lobby", "dock"}
    assert {call.partition(" ")[0] for call in one.holder.calls} == {"gained"}
    assert one.ownership.epoch("lobby") == one.holder.has["lobby"].epoch
    assert set(client.hkeys(keys.members("worker"))) == {b"one"}
    assert bool(client.exists(keys.checkpoint("lobby"))) == (
        what not in ("everything", "the checkpoint")
    )


def relabel(client: redis.Redis, camera_id: str) -> bytes:
    """Give the camera a label as the gateway does, and return its entry."""
    raw = client.hget(keys.CAMERAS, camera_id)
    assert isinstance(raw, bytes)
    camera = Camera.FromString(raw)
    camera.labels["site"] = "dock"
    client.hset(keys.CAMERAS, camera_id, camera.SerializeToString())
    return camera.SerializeToString()


def test_labels_change_and_nothing_begins_anew(client: redis.Redis, clock: Clock) -> None:
    """The owner goes on under its lease, and puts back the newest labels when Redis forgets."""
    one = Instance(client, "one", clock=clock)
    add(client, "lobby")
    rounds(clock, one)
    epoch, calls = one.ownership.epoch("lobby"), [*one.holder.calls]
    entry = relabel(client, "lobby")
    rounds(clock, one)
    assert (one.ownership.epoch("lobby"), one.holder.calls) == (epoch, calls)
    client.delete(keys.CAMERAS)
    rounds(clock, one)
    assert client.hget(keys.CAMERAS, "lobby") == entry
    client.flushdb()
    rounds(clock, one)
    assert client.hget(keys.CAMERAS, "lobby") == entry


def test_a_camera_without_an_owner_is_put_back_too(client: redis.Redis, clock: Clock) -> None:
    full = Instance(client, "full", capacity=0, clock=clock)
    add(client, "lobby")
    full.ownership.tick()
    client.delete(keys.CAMERAS)
    full.ownership.tick()
    assert client.hkeys(keys.CAMERAS) == [b"lobby"]


def test_a_camera_that_is_put_back_stays_with_its_owner(client: redis.Redis, clock: Clock) -> None:
    """The registry and the leases are gone, and another instance is first to see that."""
    one, other = Instance(client, "one", clock=clock), Instance(client, "other", clock=clock)
    add(client, "lobby")
    one.ownership.tick()
    other.ownership.tick()
    assert one.has == {"lobby"}
    client.delete(keys.CAMERAS, keys.lease("lobby", "worker"))
    for _ in range(4):
        other.ownership.tick()
    assert other.has == set()
    rounds(clock, one, other)
    assert (one.has, other.has) == ({"lobby"}, set())


def test_an_instance_that_was_cut_off_learns_of_a_removal(
    client: redis.Redis, clock: Clock
) -> None:
    """Even if Redis has forgotten the registry since."""
    one, away = Instance(client, "one", clock=clock), Instance(client, "away", clock=clock)
    add(client, "lobby", "dock")
    rounds(clock, one, away, count=2)
    remove(client, "lobby")
    client.delete(keys.CAMERAS)
    clock.now += TTL_S
    rounds(clock, away, one)
    assert client.hkeys(keys.CAMERAS) == [b"dock"]
    assert "lobby" not in one.has | away.has
    calls = one.holder.calls + away.holder.calls
    assert calls.count("removed lobby") == 1  # only the owner deletes what is stored of it
    assert traces(client, "lobby") == []
    assert 0 < client.pttl(keys.removed("lobby")) <= tombstones.KEEP_S * 1000


def test_a_tombstone_does_not_cover_a_later_camera(client: redis.Redis, clock: Clock) -> None:
    one = Instance(client, "one", clock=clock)
    add(client, "lobby", created_s=1)
    one.ownership.tick()
    remove(client, "lobby")
    add(client, "lobby", created_s=2)
    one.ownership.tick()
    assert one.holder.calls[-3:] == ["lost lobby", "removed lobby", "gained lobby"]
    one.holder.calls.clear()
    client.delete(keys.CAMERAS)
    rounds(clock, one)
    assert client.hkeys(keys.CAMERAS) == [b"lobby"]
    assert not {"removed lobby", "lost lobby"} & set(one.holder.calls)


@pytest.mark.parametrize("value", ["", "nonsense", "1e9"])
def test_an_unreadable_tombstone_removes_nothing(
    client: redis.Redis, clock: Clock, value: str
) -> None:
    one = Instance(client, "one", clock=clock)
    add(client, "lobby", "dock")
    one.ownership.tick()
    client.set(keys.removed("lobby"), value)
    client.lpush(keys.removed("dock"), "no string")
    client.delete(keys.CAMERAS)
    rounds(clock, one)
    assert one.has == {"lobby", "dock"}
    assert client.hlen(keys.CAMERAS) == 2


def test_a_damaged_entry_is_not_a_removal(client: redis.Redis, clock: Clock) -> None:
    one = Instance(client, "one", clock=clock)
    add(client, "lobby")
    one.ownership.tick()
    client.hset(keys.CAMERAS, "lobby", b"\xff\xff")
    rounds(clock, one)
    assert one.has == {"lobby"}
    assert one.holder.calls == ["gained lobby"]
    client.set(keys.removed("lobby"), 10**18)
    client.hdel(keys.CAMERAS, "lobby")
    rounds(clock, one)
    assert one.holder.calls == ["gained lobby", "lost lobby", "removed lobby"]


def test_a_newer_camera_than_the_registered_one_is_given_up_but_not_deleted(
    client: redis.Redis, clock: Clock
) -> None:
    """A replica took over that had not received the last change."""
    one = Instance(client, "one", clock=clock)
    add(client, "lobby", created_s=2)
    one.ownership.tick()
    add(client, "lobby", created_s=1)
    rounds(clock, one)
    assert one.holder.calls == ["gained lobby", "lost lobby", "gained lobby"]


@pytest.mark.parametrize("role", ["worker", "decoder"])
def test_a_lease_that_was_deleted_goes_to_no_other_instance(
    client: redis.Redis, clock: Clock, role: keys.Role
) -> None:
    """Its owner does not know until the next renewal, so an instance that sees it first waits."""
    one, other = (Instance(client, name, clock=clock, role=role) for name in ("one", "other"))
    add(client, "lobby", "dock")
    one.ownership.tick()
    for camera_id, lease in one.holder.has.items():
        field = {"worker": "worker_epoch", "decoder": "decoder"}[role]
        one.leases.put_status([(lease, {field: lease.epoch})])
        client.delete(keys.lease(camera_id, role))
    assert one.has == {"lobby", "dock"}
    for _ in range(5):
        other.ownership.tick()
        clock.now += 0.5
    assert other.has == set()
    assert one.ownership.epoch("lobby")
    rounds(clock, one, count=2)
    assert {call.partition(" ")[0] for call in one.holder.calls} == {"gained"}
    for camera_id in ("lobby", "dock"):
        owner = other.leases.owners([camera_id])[camera_id]
        assert owner is not None
        assert owner.instance == "one"
