"""What an instance does in one round, its own clock held, Redis real."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis
from prometheus_client import generate_latest

from hermes.v1.camera_pb2 import Camera
from services.common import keys, ownership
from services.common.leases import SAFETY_S, TTL_S, Leases
from services.common.placement import Member, rank
from tests.integration.common.conftest import Clock
from tests.support.holder import Instance, add, remove, traces


def expire(client: redis.Redis, camera_id: str) -> None:
    client.hset(keys.lease(camera_id, "worker"), "expires_ms", 1)
    client.delete(keys.aside(camera_id, "worker"))


def announce(client: redis.Redis, name: str, *, age_s: float = 0, load: int = 0) -> None:
    seconds, _ = client.time()
    member = Member(name, "", "cpu", 8, load, int((seconds - age_s) * 1000))
    client.hset(keys.members("worker"), name, member.to_json())


def test_a_registered_camera_is_taken_at_once(client: redis.Redis, clock: Clock) -> None:
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
    assert one.holder.told == [f"gained {id}" for id in "abcde"], "none is begun with again"
    clock.now += 3
    one.ownership.tick()
    assert all(one.ownership.epoch(id) is not None for id in "abcde")


def test_a_lease_is_ours_until_our_own_clock_says_no(client: redis.Redis, clock: Clock) -> None:
    one = Instance(client, "one", clock=clock)
    add(client, "lobby")
    one.ownership.tick()
    clock.now += TTL_S - SAFETY_S - 0.01
    assert one.ownership.epoch("lobby") is not None
    clock.now += 0.02
    assert one.ownership.epoch("lobby") is None
    one.ownership.tick()  # nobody took it meanwhile: it is renewed, the memory is kept
    assert one.holder.told == ["gained lobby"]
    clock.now += TTL_S - SAFETY_S - 0.01
    assert one.ownership.epoch("lobby") is not None
    clock.now += 0.02
    assert one.ownership.epoch("lobby") is None


def test_a_lease_that_another_took_is_given_up(client: redis.Redis, clock: Clock) -> None:
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
def test_the_second_choice_waits_only_for_one_that_may_come(
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


def test_nobody_waits_longer_than_a_takeover_may_last(client: redis.Redis, clock: Clock) -> None:
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
    assert one.holder.told[-2:] == ["lost lobby", "removed lobby"]
    assert one.has == {"dock"}
    for _ in range(10):
        clock.now += 1
        one.ownership.tick()
    assert traces(client, "lobby") == []
    assert "lobby" not in generate_latest(one.metrics.registry).decode()


def test_removed_while_a_round_is_under_way(
    client: redis.Redis, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The round has read the registry; the camera goes; the round goes on."""
    one = Instance(client, "one", clock=clock)
    registry = one.ownership._registry
    read = registry.cameras

    def read_and_remove(held: object) -> dict[str, Camera]:
        found = read(held)  # type: ignore[arg-type]
        remove(client, "lobby")
        return found

    add(client, "lobby")
    with monkeypatch.context() as patch:
        patch.setattr(registry, "cameras", read_and_remove)
        one.ownership.tick()  # would claim it
    assert one.holder.told == ["removed lobby"]  # what was kept of it goes, too
    assert traces(client, "lobby") == []

    add(client, "lobby")
    one.ownership.tick()
    clock.now += 3
    with monkeypatch.context() as patch:
        patch.setattr(registry, "cameras", read_and_remove)
        one.ownership.tick()  # would renew it, and take it again
    assert one.has == set()
    assert traces(client, "lobby") == []


def test_a_camera_added_anew_is_another_camera(client: redis.Redis, clock: Clock) -> None:
    one = Instance(client, "one", clock=clock)
    add(client, "lobby", created_s=1)
    one.ownership.tick()
    before = one.holder.has["lobby"]
    remove(client, "lobby")
    add(client, "lobby", created_s=2)
    one.ownership.tick()
    assert one.holder.told == ["gained lobby", "lost lobby", "removed lobby", "gained lobby"]
    assert one.holder.has["lobby"].epoch > before.epoch
    assert one.ownership.epoch("lobby") == one.holder.has["lobby"].epoch


def test_one_cameras_fault_is_no_others(client: redis.Redis, clock: Clock) -> None:
    one = Instance(client, "one", clock=clock)
    one.holder.fault = {"bad"}
    add(client, "bad", *"abc")
    for _ in range(8):
        one.ownership.tick()
        clock.now += 0.5
    assert one.has == {"a", "b", "c"}
    assert one.holder.told.count("gained bad") == 1  # it is left to the others for a while
    owner = one.leases.owners(["bad"])["bad"]
    assert owner is None
    assert one.ownership.epoch("bad") is None
    assert all(one.ownership.epoch(c) for c in "abc")
    clock.now += 5
    one.holder.fault = set()
    one.ownership.tick()
    assert one.has == {"a", "b", "c", "bad"}


def test_a_camera_that_cannot_say_its_state_is_renewed_with_the_others(
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


def test_one_unreadable_entry_hides_no_other(client: redis.Redis, clock: Clock) -> None:
    add(client, "lobby")
    client.hset(keys.CAMERAS, "junk", b"\xff\xff")
    client.hset(keys.CAMERAS, "liar", Camera(id="other").SerializeToString())
    client.hset(keys.CAMERAS, "a{b}", Camera(id="a{b}").SerializeToString())
    one = Instance(client, "one", clock=clock)
    one.ownership.tick()
    assert one.has == {"lobby"}


def test_stopping_gives_everything_back(client: redis.Redis, clock: Clock) -> None:
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


def test_one_that_is_about_to_stop_takes_nothing_more(client: redis.Redis, clock: Clock) -> None:
    """It keeps what it has until then, and nobody waits for it."""
    one, other = Instance(client, "one", clock=clock), Instance(client, "other", clock=clock)
    add(client, "lobby")
    one.ownership.tick()
    other.ownership.tick()
    assert one.has == {"lobby"}
    one.holder.told.clear()
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


def test_instances_that_are_long_gone_are_forgotten(client: redis.Redis, clock: Clock) -> None:
    announce(client, "gone", age_s=7200)
    announce(client, "late", age_s=60)
    Instance(client, "one", clock=clock).ownership.tick()
    assert set(client.hgetall(keys.members("worker"))) == {b"late", b"one"}


def test_a_redis_that_lost_its_data_gets_the_cameras_back(
    client: redis.Redis, clock: Clock
) -> None:
    one = Instance(client, "one", capacity=2, clock=clock)
    add(client, "a", "b", "waiting")
    one.ownership.tick()
    before = dict(one.holder.has)
    assert len(before) == 2
    clock.now += 1
    client.flushdb()
    client.script_flush()
    one.ownership.tick()
    assert set(client.hgetall(keys.CAMERAS)) == {b"a", b"b", b"waiting"}
    assert set(one.has) == set(before)
    assert "lost" not in " ".join(one.holder.told)  # the memory is kept
    for camera_id, lease in one.holder.has.items():
        assert lease.epoch > before[camera_id].epoch
        assert one.ownership.epoch(camera_id) == lease.epoch


def test_data_lost_in_the_middle_of_a_round_removes_no_camera(
    client: redis.Redis, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Instance(client, "one", clock=clock)
    registry = one.ownership._registry
    read: Callable[..., dict[str, Camera]] = registry.cameras

    def read_and_lose(held: object) -> dict[str, Camera]:
        found = read(held)
        client.flushdb()
        return found

    add(client, "lobby")
    one.ownership.tick()
    clock.now += 3
    with monkeypatch.context() as patch:
        patch.setattr(registry, "cameras", read_and_lose)
        one.ownership.tick()
    one.ownership.tick()
    assert one.has == {"lobby"}
    assert "lost lobby" not in one.holder.told
    assert set(client.hgetall(keys.CAMERAS)) == {b"lobby"}


def test_a_camera_removed_before_the_loss_is_not_put_back(
    client: redis.Redis, clock: Clock
) -> None:
    one = Instance(client, "one", clock=clock)
    add(client, "kept", "removed")
    one.ownership.tick()
    remove(client, "removed")
    one.ownership.tick()
    client.flushdb()
    one.ownership.tick()
    assert set(client.hgetall(keys.CAMERAS)) == {b"kept"}


def test_what_redis_forgot_is_still_its_holders(client: redis.Redis, clock: Clock) -> None:
    """Two owners must never answer: the other is first to see the empty Redis, and waits."""
    one, other = Instance(client, "one", clock=clock), Instance(client, "other", clock=clock)
    add(client, "lobby")
    one.ownership.tick()
    other.ownership.tick()
    clock.now += 1
    client.flushdb()
    for _ in range(8):
        other.ownership.tick()
        clock.now += 0.5
    assert other.has == set()
    assert set(client.hgetall(keys.CAMERAS)) == {b"lobby"}
    one.ownership.tick()
    assert one.has == {"lobby"}
    assert one.ownership.epoch("lobby") is not None
    assert one.holder.told == ["gained lobby", "gained lobby"]
    for key in client.scan_iter("*lease*"):
        assert key == keys.lease("lobby", "worker").encode() or client.pttl(key) <= TTL_S * 1000


def test_what_redis_forgot_is_free_once_it_has_run_out(client: redis.Redis, clock: Clock) -> None:
    one, other = Instance(client, "one", clock=clock), Instance(client, "other", clock=clock)
    add(client, "lobby")
    one.ownership.tick()
    other.ownership.tick()
    client.flushdb()
    other.ownership.tick()
    expire(client, "lobby")
    for _ in range(8):
        other.ownership.tick()
        clock.now += 0.5
    assert other.has == {"lobby"}
    clock.now += TTL_S
    one.ownership.tick()
    assert one.has == set()


def test_a_holder_that_was_away_waits_as_well_and_keeps_its_memory(
    client: redis.Redis, clock: Clock
) -> None:
    one, other = Instance(client, "one", clock=clock), Instance(client, "other", clock=clock)
    add(client, "lobby")
    one.ownership.tick()
    other.ownership.tick()
    client.flushdb()
    other.ownership.tick()
    clock.now += TTL_S  # by its own clock it holds nothing any more
    one.ownership.tick()
    assert one.ownership.epoch("lobby") is None
    assert one.has == {"lobby"}
    expire(client, "lobby")
    clock.now += 0.5
    one.ownership.tick()
    assert one.ownership.epoch("lobby") is not None
    assert "lost lobby" not in one.holder.told


def test_data_lost_in_the_middle_of_a_round_gives_nobody_anothers_camera(
    client: redis.Redis, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = Instance(client, "one", clock=clock), Instance(client, "other", clock=clock)
    add(client, "lobby")
    one.ownership.tick()
    registry = other.ownership._registry
    read: Callable[..., dict[str, Camera]] = registry.cameras

    def read_and_lose(held: object) -> dict[str, Camera]:
        found = read(held)
        client.flushdb()
        return found

    with monkeypatch.context() as patch:
        patch.setattr(registry, "cameras", read_and_lose)
        other.ownership.tick()
    other.ownership.tick()
    assert other.holder.told == []
    one.ownership.tick()
    assert one.has == {"lobby"}
