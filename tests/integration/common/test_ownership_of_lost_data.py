"""Ownership while Redis loses its data: cameras are put back, and none gets a second owner."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import redis

from hermes.v1.camera_pb2 import Camera
from services.common import keys
from services.common.leases import TTL_S
from services.common.registry import CameraRegistry
from tests.integration.common.conftest import Clock
from tests.support.holder import Instance, add, remove


def expire(client: redis.Redis, camera_id: str) -> None:
    client.hset(keys.lease(camera_id, "worker"), "expires_ms", 1)
    client.delete(keys.aside(camera_id, "worker"))


def test_cameras_are_put_back_into_a_redis_that_lost_its_data(
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
    assert "lost" not in " ".join(one.holder.calls)  # the memories are kept
    for camera_id, lease in one.holder.has.items():
        assert lease.epoch > before[camera_id].epoch
        assert one.ownership.epoch(camera_id) == lease.epoch


def test_losing_data_during_a_round_removes_no_camera(
    client: redis.Redis, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Instance(client, "one", clock=clock)
    read = CameraRegistry.cameras

    def read_and_lose(registry: CameraRegistry, held: Iterable[Camera]) -> dict[str, Camera]:
        found = read(registry, held)
        client.flushdb()
        return found

    add(client, "lobby")
    one.ownership.tick()
    clock.now += 3
    with monkeypatch.context() as patch:
        patch.setattr(CameraRegistry, "cameras", read_and_lose)
        one.ownership.tick()
    one.ownership.tick()
    assert one.has == {"lobby"}
    assert "lost lobby" not in one.holder.calls
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


def test_a_lease_that_redis_forgot_still_belongs_to_its_holder(
    client: redis.Redis, clock: Clock
) -> None:
    """The other instance sees the empty Redis first, and waits: two owners must never answer."""
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
    assert one.holder.calls == ["gained lobby", "gained lobby"]
    for key in client.scan_iter("*lease*"):
        assert key == keys.lease("lobby", "worker").encode() or client.pttl(key) <= TTL_S * 1000


def test_a_lease_that_redis_forgot_is_free_after_a_full_ttl(
    client: redis.Redis, clock: Clock
) -> None:
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


def test_a_holder_that_was_cut_off_waits_too_and_keeps_its_memory(
    client: redis.Redis, clock: Clock
) -> None:
    one, other = Instance(client, "one", clock=clock), Instance(client, "other", clock=clock)
    add(client, "lobby")
    one.ownership.tick()
    other.ownership.tick()
    client.flushdb()
    other.ownership.tick()
    clock.now += TTL_S  # by its own clock, its lease has ended
    one.ownership.tick()
    assert one.ownership.epoch("lobby") is None
    assert one.has == {"lobby"}
    expire(client, "lobby")
    clock.now += 0.5
    one.ownership.tick()
    assert one.ownership.epoch("lobby") is not None
    assert "lost lobby" not in one.holder.calls


def test_losing_data_during_a_round_gives_a_camera_to_no_second_owner(
    client: redis.Redis, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = Instance(client, "one", clock=clock), Instance(client, "other", clock=clock)
    add(client, "lobby")
    one.ownership.tick()
    read = CameraRegistry.cameras

    def read_and_lose(registry: CameraRegistry, held: Iterable[Camera]) -> dict[str, Camera]:
        found = read(registry, held)
        client.flushdb()
        return found

    with monkeypatch.context() as patch:
        patch.setattr(CameraRegistry, "cameras", read_and_lose)
        other.ownership.tick()
    other.ownership.tick()
    assert other.holder.calls == []
    one.ownership.tick()
    assert one.has == {"lobby"}
