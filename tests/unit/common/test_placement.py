from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.placement import Member, gone, lighter, moves, parse_members, rank

NAMES = ["a", "b", "c", "d"]


def member(instance: str, load: int = 0, heartbeat_ms: int = 1000, capacity: int = 8) -> Member:
    return Member(instance, f"{instance}:1", "cpu", capacity, load, heartbeat_ms)


def raw(*members: Member) -> dict[bytes, bytes]:
    return {m.instance.encode(): m.to_json().encode() for m in members}


@given(st.text(min_size=1), st.sets(st.sampled_from(NAMES), min_size=1))
def test_all_instances_agree_on_one_order(camera_id: str, names: set[str]) -> None:
    members = [member(name) for name in names]
    assert sorted(rank(camera_id, name, members) for name in names) == list(range(len(names)))


@given(st.text(min_size=1), st.sampled_from(NAMES))
def test_an_instance_that_leaves_moves_only_its_own_cameras(camera_id: str, leaver: str) -> None:
    everyone = [member(name) for name in NAMES]
    first = next(name for name in NAMES if rank(camera_id, name, everyone) == 0)
    rest = [m for m in everyone if m.instance != leaver]
    if first != leaver:
        assert rank(camera_id, first, rest) == 0


def test_cameras_spread_over_the_instances() -> None:
    members = [member(name) for name in NAMES]
    counts = [sum(rank(f"camera-{n}", name, members) == 0 for n in range(1000)) for name in NAMES]
    assert sum(counts) == 1000
    assert min(counts) > 200


def test_a_full_instance_comes_before_no_other() -> None:
    for n in range(20):
        members = [member(name) for name in NAMES]
        first = next(name for name in NAMES if rank(f"camera-{n}", name, members) == 0)
        full = [member(m.instance, load=8 if m.instance == first else 0) for m in members]
        assert any(rank(f"camera-{n}", name, full) == 0 for name in NAMES if name != first)


def test_dead_members_are_not_counted() -> None:
    members = raw(member("alive", heartbeat_ms=9_000), member("dead", heartbeat_ms=1_999))
    assert [m.instance for m in parse_members(members, 10_000, 8_000)] == ["alive"]
    assert gone(members, 10_000, 8_000) == [b"dead"]


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b'{"instance": "x"}',
        json.dumps({**json.loads(member("x").to_json()), "heartbeat_ms": "1"}).encode(),
    ],
)
def test_members_that_make_no_sense_are_skipped(value: bytes) -> None:
    members = {b"x": value, **raw(member("a"))}
    assert [m.instance for m in parse_members(members, 1000, 1000)] == ["a"]
    assert gone(members, 10_000, 1000) == [b"a"]


def test_a_member_of_a_later_version_may_say_more_about_itself() -> None:
    more = json.dumps({**json.loads(member("x").to_json()), "new": 1}).encode()
    assert parse_members({b"x": more}, 1000, 1000) == [member("x")]
    assert gone({b"x": more}, 10_000, 1000) == [b"x"]


def pull(
    owners: dict[str, str], members: dict[str, Member], *, balance: bool = True
) -> dict[str, str]:
    """One round in which every instance gets the first camera that it wants."""
    moved: dict[str, str] = {}
    for name in members:
        loads = {n: sum(o == n for o in owners.values()) for n in members}
        now = [replace(m, load=loads[m.instance]) for m in members.values()]
        own = next(m for m in now if m.instance == name)
        others = {c: o for c, o in owners.items() if o != name}
        for camera_id in moves(own, others, now, balance=balance)[:1]:
            owners[camera_id] = moved[camera_id] = name
    return moved


@given(
    st.dictionaries(st.text(min_size=1, max_size=4), st.sampled_from(NAMES), max_size=24),
    st.fixed_dictionaries({name: st.integers(24, 40) for name in NAMES}),
)
def test_moves_end_and_leave_every_instance_its_share(
    owners: dict[str, str], capacities: dict[str, int]
) -> None:
    members = {n: member(n, capacity=c) for n, c in capacities.items()}
    rounds = 0
    while pull(owners, members):
        rounds += 1
        assert rounds < 100
    loads = {n: sum(o == n for o in owners.values()) for n in NAMES}
    now = {n: replace(m, load=loads[n]) for n, m in members.items()}
    assert not any(lighter(now[a], now[b]) for a in NAMES for b in NAMES)


@given(
    st.dictionaries(st.text(min_size=1, max_size=4), st.just("a"), max_size=20),
    st.sets(st.sampled_from(NAMES[1:]), min_size=1),
)
def test_all_cameras_leave_an_instance_that_drains(
    owners: dict[str, str], others: set[str]
) -> None:
    members = {n: member(n, capacity=20) for n in others}
    members["a"] = replace(member("a", capacity=20), draining=True)
    while pull(owners, members, balance=False):
        pass
    assert "a" not in owners.values()


def test_no_instance_asks_for_more_than_it_has_room_for() -> None:
    owners = dict.fromkeys(map(str, range(9)), "a")
    members = [member("a", load=9), replace(member("b"), capacity=2)]
    assert len(moves(members[1], owners, members, balance=True)) == 1  # half of its room
    drained = [replace(members[0], draining=True), replace(members[1], load=1)]
    assert len(moves(drained[1], owners, drained, balance=True)) == 1
    full = [drained[0], replace(members[1], load=2)]
    assert moves(full[1], owners, full, balance=True) == []


def test_an_owner_that_is_not_alive_is_not_asked() -> None:
    assert moves(member("b"), {"lobby": "a"}, [member("b")], balance=True) == []
