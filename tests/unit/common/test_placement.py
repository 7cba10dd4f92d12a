from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.placement import Member, gone, parse_members, rank

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
def test_an_instance_that_leaves_moves_no_camera_of_others(camera_id: str, leaver: str) -> None:
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


def test_who_is_full_comes_before_nobody() -> None:
    for n in range(20):
        members = [member(name) for name in NAMES]
        first = next(name for name in NAMES if rank(f"camera-{n}", name, members) == 0)
        full = [member(m.instance, load=8 if m.instance == first else 0) for m in members]
        assert any(rank(f"camera-{n}", name, full) == 0 for name in NAMES if name != first)


def test_the_dead_are_not_counted() -> None:
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
        json.dumps({**json.loads(member("x").to_json()), "new": 1}).encode(),
        json.dumps({**json.loads(member("x").to_json()), "heartbeat_ms": "1"}).encode(),
    ],
)
def test_members_of_another_version_are_passed_over(value: bytes) -> None:
    members = {b"x": value, **raw(member("a"))}
    assert [m.instance for m in parse_members(members, 1000, 1000)] == ["a"]
    assert gone(members, 10_000, 1000) == [b"a"]
