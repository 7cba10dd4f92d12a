"""A camera goes only if it was removed by name: keys of Redis are deleted one by one."""

from __future__ import annotations

import pytest
import redis

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
    assert {told.partition(" ")[0] for told in one.holder.told} == {"gained"}
    assert one.ownership.epoch("lobby") == one.holder.has["lobby"].epoch
    assert set(client.hkeys(keys.members("worker"))) == {b"one"}
    assert bool(client.exists(keys.checkpoint("lobby"))) == (
        what not in ("everything", "the checkpoint")
    )


def test_a_camera_that_nobody_owns_is_put_back_too(client: redis.Redis, clock: Clock) -> None:
    full = Instance(client, "full", capacity=0, clock=clock)
    add(client, "lobby")
    full.ownership.tick()
    client.delete(keys.CAMERAS)
    full.ownership.tick()
    assert client.hkeys(keys.CAMERAS) == [b"lobby"]


def test_a_camera_that_is_put_back_is_nobody_elses(client: redis.Redis, clock: Clock) -> None:
    """The registry and the leases are gone; an instance that never saw the owner looks first."""
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


def test_a_removal_is_heard_by_an_instance_that_was_away(client: redis.Redis, clock: Clock) -> None:
    """And it holds when Redis then forgets the registry."""
    one, away = Instance(client, "one", clock=clock), Instance(client, "away", clock=clock)
    add(client, "lobby", "dock")
    rounds(clock, one, away, count=2)
    remove(client, "lobby")
    client.delete(keys.CAMERAS)
    clock.now += TTL_S
    rounds(clock, away, one)
    assert client.hkeys(keys.CAMERAS) == [b"dock"]
    assert "lobby" not in one.has | away.has
    told = one.holder.told + away.holder.told
    assert told.count("removed lobby") == 1  # its owner alone deletes what is kept of it
    assert traces(client, "lobby") == []
    assert 0 < client.pttl(keys.removed("lobby")) <= tombstones.KEEP_S * 1000


def test_a_tombstone_speaks_of_no_later_camera(client: redis.Redis, clock: Clock) -> None:
    one = Instance(client, "one", clock=clock)
    add(client, "lobby", created_s=1)
    one.ownership.tick()
    remove(client, "lobby")
    add(client, "lobby", created_s=2)
    one.ownership.tick()
    assert one.holder.told[-3:] == ["lost lobby", "removed lobby", "gained lobby"]
    one.holder.told.clear()
    client.delete(keys.CAMERAS)
    rounds(clock, one)
    assert client.hkeys(keys.CAMERAS) == [b"lobby"]
    assert not {"removed lobby", "lost lobby"} & set(one.holder.told)


@pytest.mark.parametrize("value", ["", "nonsense", "1e9"])
def test_a_tombstone_that_makes_no_sense_removes_nothing(
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


def test_a_damaged_entry_is_no_removal(client: redis.Redis, clock: Clock) -> None:
    one = Instance(client, "one", clock=clock)
    add(client, "lobby")
    one.ownership.tick()
    client.hset(keys.CAMERAS, "lobby", b"\xff\xff")
    rounds(clock, one)
    assert one.has == {"lobby"}
    assert one.holder.told == ["gained lobby"]
    client.set(keys.removed("lobby"), 10**18)
    client.hdel(keys.CAMERAS, "lobby")
    rounds(clock, one)
    assert one.holder.told == ["gained lobby", "lost lobby", "removed lobby"]


def test_an_older_registry_gives_up_a_newer_camera_but_deletes_nothing_of_it(
    client: redis.Redis, clock: Clock
) -> None:
    """A replica took over that had not heard of the last change."""
    one = Instance(client, "one", clock=clock)
    add(client, "lobby", created_s=2)
    one.ownership.tick()
    add(client, "lobby", created_s=1)
    rounds(clock, one)
    assert one.holder.told == ["gained lobby", "lost lobby", "gained lobby"]


@pytest.mark.parametrize("role", ["worker", "decoder"])
def test_a_lease_that_was_deleted_goes_to_nobody_else(
    client: redis.Redis, clock: Clock, role: keys.Role
) -> None:
    """Its owner believes in it until the next renewal: an instance that looks first waits."""
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
    assert {told.partition(" ")[0] for told in one.holder.told} == {"gained"}
    for camera_id in ("lobby", "dock"):
        owner = other.leases.owners([camera_id])[camera_id]
        assert owner is not None
        assert owner.instance == "one"
