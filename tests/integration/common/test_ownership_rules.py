"""What an instance does in one round. Redis is real; the clock of the instance is not."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import redis
from prometheus_client import generate_latest

from hermes.v1.camera_pb2 import Camera
from services.common import keys, ownership
from services.common.leases import SAFETY_S, TTL_S, Leases
from services.common.placement import Member, rank
from services.common.registry import CameraRegistry
from tests.integration.common.conftest import Clock
from tests.support.holder import Instance, add, remove, traces


def announce(client: redis.Redis, name: str, *, age_s: float = 0, load: int = 0) -> None:
    seconds, _ = client.time()
    member = Member(name, "", "cpu", 8, load, int((seconds - age_s) * 1000))
    client.hset(keys.members("worker"), name, member.to_json())


def test_a_registered_camera_is_claimed_at_once(client: redis.Redis, clock: Clock) -> None:
    one = Instance(client, "one", clock=clock)
    add(client, "lobby", "dock")
    one.ownership.tick()
    assert one.has == {"lobby", "dock"}
    assert one.ownership.epoch("lobby") == one.holder.has["lobby"].epoch
    assert {lease.camera_id for lease in one.ownership.leases()} == {"lobby", "dock"}
    text = generate_latest(one.metrics.registry).decode()
    assert 'hermes_camera_owner_epoch{camera="lobby"}' in text


def test_capacity_is_a_limit(client: redis.Redis, clock: Clock) -> None:
    one, other = (
        Instance(client, "one", capacity=2, clock=clock),
        Instance(client, "other", capacity=2, clock=clock),
    )
    add(client, *"abcde")
    for _ in range(20):
        one.ownership.tick()
        other.ownership.tick()
        clock.now += 0.5
    assert len(one.has) == len(other.has) == 2
    assert not one.has & other.has


def test_a_finished_camera_is_kept_and_leaves_its_place_to_another(
    client: redis.Redis, clock: Clock
) -> None:
    one, other = (
        Instance(client, "one", capacity=2, clock=clock),
        Instance(client, "other", capacity=0, clock=clock),
    )
    add(client, *"abcde")
    one.ownership.tick()
    for _ in range(3):
        one.holder.finished |= one.has
        for _ in range(4):
            one.ownership.tick()
            other.ownership.tick()
            clock.now += 0.5
    assert one.has == {*"abcde"}
    assert one.holder.calls == [f"gained {id}" for id in "abcde"], "none is begun with again"
    clock.now += 3
    one.ownership.tick()
    assert all(one.ownership.epoch(id) is not None for id in "abcde")


def test_a_lease_is_ours_until_it_ends_by_our_own_clock(client: redis.Redis, clock: Clock) -> None:
    one = Instance(client, "one", clock=clock)
    add(client, "lobby")
    one.ownership.tick()
    clock.now += TTL_S - SAFETY_S - 0.01
    assert one.ownership.epoch("lobby") is not None
    clock.now += 0.02
    assert one.ownership.epoch("lobby") is None
    one.ownership.tick()  # no other instance took it: it is renewed
    assert one.holder.calls == ["gained lobby"]
    clock.now += TTL_S - SAFETY_S - 0.01
    assert one.ownership.epoch("lobby") is not None
    clock.now += 0.02
    assert one.ownership.epoch("lobby") is None


def test_a_camera_whose_lease_another_took_is_given_up(client: redis.Redis, clock: Clock) -> None:
    one = Instance(client, "one", clock=clock)
    add(client, "lobby")
    one.ownership.tick()
    thief = Leases(client, "worker", "thief", "")
    seen = thief.owners(["lobby"])["lobby"]
    assert thief.acquire("lobby", unattended=seen) is not None
    clock.now += 3
    one.ownership.tick()
    assert one.has == set()
    assert one.ownership.epoch("lobby") is None
    assert one.metrics.registry.get_sample_value("hermes_lease_lost_total") == 1


def test_the_first_choice_claims_first(client: redis.Redis, clock: Clock) -> None:
    one, other = Instance(client, "one", clock=clock), Instance(client, "other", clock=clock)
    one.ownership.tick()
    other.ownership.tick()
    ids = [f"camera-{n}" for n in range(8)]
    members = [Member(name, "", "", 8, 0, 0) for name in ("one", "other")]
    first = {name: {c for c in ids if rank(c, name, members) == 0} for name in ("one", "other")}
    assert all(first.values())
    add(client, *ids)
    one.ownership.tick()
    other.ownership.tick()
    assert one.has == first["one"]
    assert other.has == first["other"]


@pytest.mark.parametrize(
    ("state", "ticks"),
    [({}, 4), ({"age_s": 9.0}, 1), ({"load": 8}, 1)],
    ids=["alive", "dead", "full"],
)
def test_the_second_choice_waits_only_for_a_first_that_may_claim(
    client: redis.Redis, clock: Clock, state: dict[str, float], ticks: int
) -> None:
    one = Instance(client, "one", clock=clock)
    one.ownership.tick()
    members = [Member(name, "", "", 8, 0, 0) for name in ("one", "first")]
    camera_id = next(f"c{n}" for n in range(99) if rank(f"c{n}", "one", members) == 1)
    add(client, camera_id)
    announce(client, "first", **state)  # type: ignore[arg-type]
    needed = 0
    while not one.has:
        one.ownership.tick()
        needed += 1
        clock.now += 0.5
    assert needed == ticks


def test_no_camera_waits_longer_than_a_takeover_may_last(client: redis.Redis, clock: Clock) -> None:
    one = Instance(client, "one", clock=clock)
    one.ownership.tick()
    for n in range(30):
        announce(client, f"silent-{n}")
    add(client, *(f"c{n}" for n in range(8)))
    began = clock.now
    while len(one.has) < 8:
        one.ownership.tick()
        clock.now += 0.5
    assert TTL_S + (clock.now - began) + 2 * ownership.TICK_S < 15


def test_a_removed_camera_leaves_nothing(client: redis.Redis, clock: Clock) -> None:
    one = Instance(client, "one", clock=clock)
    add(client, "lobby", "dock")
    one.ownership.tick()
    remove(client, "lobby")
    assert traces(client, "lobby") == []
    one.ownership.tick()
    assert one.holder.calls[-2:] == ["lost lobby", "removed lobby"]
    assert one.has == {"dock"}
    for _ in range(10):
        clock.now += 1
        one.ownership.tick()
    assert traces(client, "lobby") == []
    assert "lobby" not in generate_latest(one.metrics.registry).decode()


def test_a_camera_is_removed_while_a_round_is_under_way(
    client: redis.Redis, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A camera is removed after the round has read the registry."""
    one = Instance(client, "one", clock=clock)
    read = CameraRegistry.cameras

    def read_and_remove(registry: CameraRegistry, held: Iterable[Camera]) -> dict[str, Camera]:
        found = read(registry, held)
        remove(client, "lobby")
        return found

    add(client, "lobby")
    with monkeypatch.context() as patch:
        patch.setattr(CameraRegistry, "cameras", read_and_remove)
        one.ownership.tick()  # it would have claimed the camera
    assert one.holder.calls == ["removed lobby"]  # what is stored of it is deleted, too
    assert traces(client, "lobby") == []

    add(client, "lobby")
    one.ownership.tick()
    clock.now += 3
    with monkeypatch.context() as patch:
        patch.setattr(CameraRegistry, "cameras", read_and_remove)
        one.ownership.tick()  # it would have renewed the lease, or taken it again
    assert one.has == set()
    assert traces(client, "lobby") == []


def test_a_camera_that_is_added_again_is_another_camera(client: redis.Redis, clock: Clock) -> None:
    one = Instance(client, "one", clock=clock)
    add(client, "lobby", created_s=1)
    one.ownership.tick()
    before = one.holder.has["lobby"]
    remove(client, "lobby")
    add(client, "lobby", created_s=2)
    one.ownership.tick()
    assert one.holder.calls == ["gained lobby", "lost lobby", "removed lobby", "gained lobby"]
    assert one.holder.has["lobby"].epoch > before.epoch
    assert one.ownership.epoch("lobby") == one.holder.has["lobby"].epoch


def test_a_fault_with_one_camera_does_not_spread(client: redis.Redis, clock: Clock) -> None:
    one = Instance(client, "one", clock=clock)
    one.holder.fault = {"bad"}
    add(client, "bad", *"abc")
    for _ in range(8):
        one.ownership.tick()
        clock.now += 0.5
    assert one.has == {"a", "b", "c"}
    assert one.holder.calls.count("gained bad") == 1  # other instances may try meanwhile
    owner = one.leases.owners(["bad"])["bad"]
    assert owner is None
    assert one.ownership.epoch("bad") is None
    assert all(one.ownership.epoch(c) for c in "abc")
    clock.now += 5
    one.holder.fault = set()
    one.ownership.tick()
    assert one.has == {"a", "b", "c", "bad"}


def test_a_camera_of_unknown_state_is_renewed_with_the_others(
    client: redis.Redis, clock: Clock
) -> None:
    one = Instance(client, "one", clock=clock)
    add(client, "a", "b")
    one.ownership.tick()
    one.holder.fault = {"a"}
    clock.now += 8
    one.ownership.tick()
    clock.now += 8
    assert one.ownership.epoch("a")
    assert one.ownership.epoch("b")
    owner = one.leases.owners(["a"])["a"]
    assert owner is not None
    assert owner.state == "unknown"


def test_a_camera_that_failed_is_given_up_and_rests(client: redis.Redis, clock: Clock) -> None:
    """Another instance may have room for it."""
    one = Instance(client, "one", clock=clock)
    add(client, "a", "b")
    one.ownership.tick()
    one.holder.failed = {"a"}
    for _ in range(4):
        one.ownership.tick()
        clock.now += 0.5
    assert one.has == {"b"}
    assert one.leases.owners(["a"])["a"] is None
    one.holder.failed = set()
    clock.now += 5
    one.ownership.tick()
    assert one.has == {"a", "b"}


def test_an_unreadable_entry_does_not_hide_other_cameras(client: redis.Redis, clock: Clock) -> None:
    add(client, "lobby")
    client.hset(keys.CAMERAS, "junk", b"\xff\xff")
    client.hset(keys.CAMERAS, "liar", Camera(id="other").SerializeToString())
    client.hset(keys.CAMERAS, "a{b}", Camera(id="a{b}").SerializeToString())
    one = Instance(client, "one", clock=clock)
    one.ownership.tick()
    assert one.has == {"lobby"}


def test_stopping_releases_every_lease(client: redis.Redis, clock: Clock) -> None:
    one, other = Instance(client, "one", clock=clock), Instance(client, "other", clock=clock)
    add(client, "lobby", "dock")
    one.ownership.tick()
    epoch = one.ownership.epoch("lobby")
    one.ownership.stop()
    assert one.ownership.epoch("lobby") is None
    assert one.ownership.leases() == []
    assert client.hgetall(keys.members("worker")) == {}
    other.ownership.tick()
    assert other.has == {"lobby", "dock"}
    new = other.ownership.epoch("lobby")
    assert new is not None
    assert epoch is not None
    assert new > epoch
    one.ownership.stop()
    assert other.leases.owners(["lobby"])["lobby"] is not None


def test_an_instance_that_retires_claims_no_more(client: redis.Redis, clock: Clock) -> None:
    """It keeps its cameras until they are handed over, and no instance waits for it to claim."""
    one, other = Instance(client, "one", clock=clock), Instance(client, "other", clock=clock)
    add(client, "lobby")
    one.ownership.tick()
    other.ownership.tick()
    assert one.has == {"lobby"}
    one.holder.calls.clear()
    other.holder.unready = {"lobby"}
    one.ownership.retire()
    one.ownership.tick()
    assert b'"draining": true' in client.hgetall(keys.members("worker"))[b"one"]
    ids = [f"camera-{n}" for n in range(8)]
    add(client, *ids)
    one.ownership.tick()
    other.ownership.tick()
    assert (one.has, other.has) == ({"lobby"}, set(ids))
    clock.now += 3
    one.ownership.tick()
    assert one.ownership.epoch("lobby") is not None


def test_the_load_is_announced_at_once(client: redis.Redis, clock: Clock) -> None:
    one = Instance(client, "one", clock=clock)
    one.ownership.tick()
    add(client, "a", "b")
    one.ownership.tick()
    assert b'"load": 2' in client.hgetall(keys.members("worker"))[b"one"]


def test_members_that_are_long_gone_are_deleted(client: redis.Redis, clock: Clock) -> None:
    announce(client, "gone", age_s=7200)
    announce(client, "late", age_s=60)
    Instance(client, "one", clock=clock).ownership.tick()
    assert set(client.hgetall(keys.members("worker"))) == {b"late", b"one"}
