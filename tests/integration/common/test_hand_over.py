"""Cameras that move between live instances. Redis is real; the clock of the instances is not."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator

import pytest
import redis

from services.common import keys, ownership_plan
from services.common.leases import SUCCESSOR_TTL_S, SUCCESSOR_UNTIL_MS, TTL_S
from services.common.members import Members
from services.common.placement import Member
from tests.integration.common.conftest import Clock
from tests.support.holder import Instance, add, remove, traces
from tests.support.waiting import eventually

CAMERAS = [f"camera-{n}" for n in range(6)]


def tick(clock: Clock, *instances: Instance, rounds: int = 1, seconds: float = 0.5) -> None:
    for _ in range(rounds):
        for instance in instances:
            instance.ownership.tick()
            together = [one for one in instances if one.ownership.epoch("lobby")]
            assert len(together) <= 1
        clock.now += seconds


@pytest.fixture
def one(client: redis.Redis, clock: Clock) -> Instance:
    made = Instance(client, "one", clock=clock)
    add(client, "lobby")
    tick(clock, made)
    assert made.has == {"lobby"}
    return made


class Running:
    """Makes instances that run on their own threads."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self.made: list[Instance] = []

    def __call__(self, name: str, *, capacity: int = 8, unready: Iterable[str] = ()) -> Instance:
        made = Instance(self.client, name, capacity=capacity)
        made.holder.unready = set(unready)
        self.made.append(made)
        made.ownership.start()
        return made


@pytest.fixture
def running(client: redis.Redis) -> Iterator[Running]:
    """They are stopped even if the test fails: other tests use the same Redis."""
    running = Running(client)
    yield running
    for made in running.made:
        made.ownership.stop()


@pytest.fixture
def other(client: redis.Redis, clock: Clock) -> Instance:
    return Instance(client, "other", clock=clock)


def test_a_new_instance_gets_its_share_and_no_more(client: redis.Redis, clock: Clock) -> None:
    one, other, third = (Instance(client, n, clock=clock) for n in ("one", "other", "third"))
    add(client, *CAMERAS)
    tick(clock, one, rounds=2)
    assert one.has == set(CAMERAS)
    epochs = {c: lease.epoch for c, lease in one.holder.has.items()}
    tick(clock, one, other, rounds=20)
    assert (len(one.has), len(other.has)) == (3, 3)
    for camera_id in other.has:
        assert other.holder.calls.index(f"prepare {camera_id}") < other.holder.calls.index(
            f"gained {camera_id}"
        )
        assert other.holder.has[camera_id].epoch > epochs[camera_id]
    tick(clock, one, other, third, rounds=20)
    assert (len(one.has), len(other.has), len(third.has)) == (2, 2, 2)
    # Nothing moves any more, and no lease was ever lost.
    calls = [len(i.holder.calls) for i in (one, other, third)]
    tick(clock, one, other, third, rounds=20)
    assert [len(i.holder.calls) for i in (one, other, third)] == calls
    for instance in (one, other, third):
        assert instance.metrics.registry.get_sample_value("hermes_lease_lost_total") == 0


def test_only_so_many_cameras_move_at_a_time(client: redis.Redis, clock: Clock) -> None:
    one, other = (Instance(client, n, clock=clock, capacity=20) for n in ("one", "other"))
    ids = [f"c{n}" for n in range(12)]
    add(client, *ids)
    tick(clock, one)
    other.holder.unready = set(ids)
    tick(clock, one, other, rounds=5)
    assert (
        sum(call.startswith("prepare") for call in other.holder.calls)
        == ownership_plan.MOVES_AT_ONCE
    )
    assert other.has == set()


def test_no_camera_moves_for_balance_where_its_memory_would_be_lost(
    client: redis.Redis, clock: Clock
) -> None:
    one, other = (Instance(client, n, clock=clock, balance=False) for n in ("one", "other"))
    add(client, *CAMERAS)
    tick(clock, one)
    tick(clock, one, other, rounds=10)
    assert one.has == set(CAMERAS)
    one.ownership.retire()
    tick(clock, one, other, rounds=20)
    assert other.has == set(CAMERAS)


def test_an_owner_answers_until_its_successor_is_ready(
    one: Instance, other: Instance, clock: Clock
) -> None:
    other.holder.unready = {"lobby"}
    one.ownership.retire()
    tick(clock, one, other, rounds=6)
    assert one.ownership.epoch("lobby") is not None
    assert "leave lobby" not in one.holder.calls
    other.holder.unready = set()
    tick(clock, one, other, rounds=4)
    assert (one.has, other.has) == (set(), {"lobby"})
    assert one.holder.calls[-2:] == ["leave lobby", "lost lobby"]
    assert other.holder.calls == ["prepare lobby", "gained lobby"]


def test_work_under_way_ends_before_the_hand_over(
    one: Instance, other: Instance, clock: Clock
) -> None:
    one.holder.busy = {"lobby"}
    one.ownership.retire()
    tick(clock, one, other, rounds=6)
    assert one.holder.calls.count("leave lobby") > 2
    assert one.ownership.epoch("lobby") is not None  # the answers under way are still its own
    one.holder.busy = set()
    tick(clock, one, other, rounds=2)
    assert other.has == {"lobby"}


def test_a_camera_stays_where_it_is_if_its_successor_dies(
    client: redis.Redis, one: Instance, other: Instance, clock: Clock
) -> None:
    one.holder.busy = {"lobby"}
    one.ownership.retire()
    tick(clock, one, other, rounds=4)
    client.hset(
        keys.lease("lobby", "worker"), SUCCESSOR_UNTIL_MS, 1
    )  # no report for SUCCESSOR_TTL_S
    tick(clock, one)
    assert one.holder.calls[-1] == "stay lobby"
    assert one.ownership.epoch("lobby") is not None
    assert SUCCESSOR_TTL_S < TTL_S


def test_a_camera_goes_to_its_successor_if_its_owner_dies(
    client: redis.Redis, one: Instance, other: Instance, clock: Clock
) -> None:
    third = Instance(client, "third", clock=clock)
    other.holder.unready = {"lobby"}
    one.ownership.retire()
    tick(clock, one, other, third, rounds=3)
    successor, bystander = (
        (other, third) if "prepare lobby" in other.holder.calls else (third, other)
    )
    for _ in range(int(TTL_S / 0.5) + 2):
        tick(clock, bystander, successor)  # the bystander looks first
    assert successor.has == {"lobby"}
    assert successor.holder.calls == ["prepare lobby", "gained lobby"]
    assert one.ownership.epoch("lobby") is None


def test_a_camera_is_removed_while_it_is_prepared(
    client: redis.Redis, one: Instance, other: Instance, clock: Clock
) -> None:
    other.holder.unready = {"lobby"}
    one.ownership.retire()
    tick(clock, one, other, rounds=3)
    remove(client, "lobby")
    tick(clock, one, other, rounds=2)
    assert other.holder.calls == ["prepare lobby", "lost lobby"]
    assert one.holder.calls[-2:] == ["lost lobby", "removed lobby"]
    assert traces(client, "lobby") == []


def test_a_successor_that_is_never_ready_abandons_the_camera(
    one: Instance, other: Instance, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ownership_plan, "PATIENCE_S", 3.0)
    other.holder.unready = {"lobby"}
    one.ownership.retire()
    tick(clock, one, other, rounds=9)
    assert "lost lobby" in other.holder.calls
    assert one.ownership.epoch("lobby") is not None


def test_an_instance_that_cannot_prepare_a_camera_withdraws(
    one: Instance, other: Instance, clock: Clock
) -> None:
    other.holder.fault = {"lobby"}
    one.ownership.retire()
    tick(clock, one, other, rounds=3)
    assert other.has == set()
    owner = one.leases.owners(["lobby"])["lobby"]
    assert owner is not None
    assert (owner.instance, owner.successor) == ("one", "")


def test_a_lost_reply_does_not_give_a_camera_two_owners(
    one: Instance, other: Instance, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The camera was handed over, but its owner did not get the reply."""
    given = one.leases.hand_over

    def lost_reply(*arguments: object) -> str:
        given(*arguments)  # type: ignore[arg-type]
        raise redis.ConnectionError

    monkeypatch.setattr(one.leases, "hand_over", lost_reply)
    one.ownership.retire()
    tick(clock, one, other, rounds=2)
    with pytest.raises(redis.ConnectionError):
        tick(clock, one)
    assert one.ownership.epoch("lobby") is None
    tick(clock, other, one, rounds=2)
    assert (one.has, other.has) == (set(), {"lobby"})


def test_draining_ends_if_there_is_no_other_instance(running: Running) -> None:
    alone = running("alone")
    add(running.client, "lobby")
    eventually(lambda: alone.has)
    assert alone.drained_after(30.0) < 10
    assert alone.has == {"lobby"}


def test_draining_takes_no_longer_than_handing_over(running: Running) -> None:
    one = running("one")
    add(running.client, *CAMERAS)
    eventually(lambda: one.has == set(CAMERAS))
    other = running("other")
    eventually(lambda: running.client.hlen(keys.members("worker")) == 2)
    assert one.drained_after(60.0) < 50
    assert one.has == set()
    one.ownership.stop()
    eventually(lambda: other.has == set(CAMERAS))


def test_a_successor_that_retires_withdraws(one: Instance, other: Instance, clock: Clock) -> None:
    other.holder.unready = {"lobby"}
    one.ownership.retire()
    tick(clock, one, other, rounds=3)
    other.ownership.retire()
    other.holder.unready = set()
    tick(clock, one, other, rounds=4)
    assert other.holder.calls == ["prepare lobby", "lost lobby"]
    assert one.ownership.epoch("lobby") is not None
    owner = one.leases.owners(["lobby"])["lobby"]
    assert owner is not None
    assert owner.successor == ""


def test_a_retiring_instance_takes_what_was_just_handed_to_it(
    one: Instance, other: Instance, clock: Clock
) -> None:
    one.ownership.retire()
    tick(clock, one, other, rounds=2)
    tick(clock, one)
    assert one.has == set()
    other.ownership.retire()
    tick(clock, other)
    assert other.has == {"lobby"}


def test_a_successor_abandons_a_camera_that_another_instance_took(
    client: redis.Redis, one: Instance, other: Instance, clock: Clock
) -> None:
    third = Instance(client, "third", clock=clock)
    other.holder.unready = {"lobby"}
    one.ownership.retire()
    tick(clock, one, other, rounds=3)
    assert "prepare lobby" in other.holder.calls
    seen = third.leases.owners(["lobby"])["lobby"]
    assert third.leases.acquire("lobby", unattended=seen) is not None
    tick(clock, other)
    assert other.holder.calls[-1] == "lost lobby"
    assert b'"load": 0' in client.hgetall(keys.members("worker"))[b"other"]


def test_a_dead_successor_is_replaced_by_another(
    client: redis.Redis, one: Instance, other: Instance, clock: Clock
) -> None:
    other.holder.unready = {"lobby"}
    one.ownership.retire()
    tick(clock, one, other, rounds=3)
    client.hset(keys.lease("lobby", "worker"), SUCCESSOR_UNTIL_MS, 1)  # it was killed
    client.hdel(keys.members("worker"), "other")
    third = Instance(client, "third", clock=clock)
    tick(clock, one, third, rounds=4)
    assert third.has == {"lobby"}


def test_draining_waits_for_a_successor_that_fills_the_last_room(running: Running) -> None:
    one = running("one", capacity=1)
    add(running.client, "lobby")
    eventually(lambda: one.has)
    other = running("other", capacity=1, unready={"lobby"})
    eventually(lambda: running.client.hlen(keys.members("worker")) == 2)
    draining = threading.Thread(target=one.ownership.drain, args=(60.0,), daemon=True)
    draining.start()
    eventually(lambda: "prepare lobby" in other.holder.calls)
    time.sleep(1.5)
    assert draining.is_alive()  # the other is full now, and still preparing
    other.holder.unready = set()
    draining.join(50)
    assert one.has == set()


def test_draining_sees_an_instance_that_just_started(
    client: redis.Redis, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round that is under way when draining begins has read the members before."""
    one, other = Instance(client, "one", clock=clock), Instance(client, "other", clock=clock)
    add(client, "lobby")
    looked, draining = threading.Event(), threading.Event()
    alive = Members.alive

    def slowly(members: Members, load: int) -> tuple[list[Member], int]:
        seen = alive(members, load)
        if threading.current_thread() is rounds:
            looked.set()
            draining.wait(20)
        return seen

    tick(clock, one)
    monkeypatch.setattr(Members, "alive", slowly)
    rounds = threading.Thread(target=one.ownership.tick, daemon=True)
    rounds.start()
    assert looked.wait(20)
    tick(clock, other)
    drain = threading.Thread(target=one.ownership.drain, args=(30.0,), daemon=True)
    drain.start()
    eventually(lambda: one.ownership.retiring)
    draining.set()
    rounds.join(20)
    time.sleep(0.3)
    assert drain.is_alive()
    tick(clock, one, other, rounds=4)
    drain.join(20)
    assert (one.has, other.has) == (set(), {"lobby"})
