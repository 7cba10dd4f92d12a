"""Two instances as they run in production: threads, a real Redis, real time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cli import redis_server
from services.common import connection, keys
from services.common.frame_log import Fenced, RedisFrameLog
from services.common.leases import TTL_S, Leases
from tests.support.holder import Instance, add, remove, traces
from tests.support.log_entries import chunk
from tests.support.waiting import eventually

CAMERAS = [f"camera-{n}" for n in range(6)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[redis_server.LocalRedis]:
    if redis_server.find_binary() is None:
        pytest.skip("no redis-server binary to start and stop")
    server = redis_server.start(tmp_path / "redis")
    yield server
    server.stop()


def start_again(server: redis_server.LocalRedis, folder: Path) -> None:
    """Start Redis at the same address, with the data of `folder`."""
    port = int(server.url.rsplit(":", 1)[1].partition("/")[0])
    again = redis_server.start(folder, port=port)
    server.process = again.process


@pytest.fixture
def pair(server: redis_server.LocalRedis) -> Iterator[list[Instance]]:
    instances = [Instance(connection.connect(server.url), name) for name in ("one", "other")]
    for instance in instances:
        instance.ownership.start()
    client = connection.connect(server.url)
    try:
        eventually(lambda: len(client.hgetall(keys.members("worker"))) == 2)
        add(client, *CAMERAS)
        eventually(lambda: together(instances) == set(CAMERAS))
        eventually(lambda: all(len(instance.has) == 3 for instance in instances))
        for instance in instances:
            instance.holder.calls.clear()
        yield instances
    finally:
        for instance in instances:
            instance.ownership.stop()
        client.close()


def together(instances: list[Instance]) -> set[str]:
    return set().union(*(instance.has for instance in instances))


def no_camera_has_two_owners(instances: list[Instance]) -> bool:
    one, other = instances
    return not any(one.ownership.epoch(c) and other.ownership.epoch(c) for c in CAMERAS)


def test_cameras_spread_and_move_on_after_a_graceful_stop(pair: list[Instance]) -> None:
    one, other = pair
    assert no_camera_has_two_owners(pair)
    assert one.has
    assert other.has
    one.ownership.stop()
    took = eventually(lambda: other.has == set(CAMERAS))
    assert took < TTL_S  # shorter than a lease lasts


def test_cameras_of_an_owner_that_stopped_renewing_are_taken_over(
    pair: list[Instance], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = pair
    old = dict(one.holder.has)
    monkeypatch.setattr(
        one.ownership, "tick", lambda: None
    )  # as if its process were frozen: no lease is released
    assert no_camera_has_two_owners(pair)
    shared: list[bool] = []

    def taken() -> bool:
        shared.append(not no_camera_has_two_owners(pair))
        return other.has == set(CAMERAS)

    took = eventually(taken, 30)
    assert took > 5
    assert not any(shared)
    for camera_id, lease in old.items():
        assert one.ownership.epoch(camera_id) is None
        assert other.holder.has[camera_id].epoch > lease.epoch
    writes = [(lease, {"by": "one"}) for lease in old.values()]
    assert one.leases.put_status(writes) == len(old)


@pytest.mark.parametrize("keeps_data", [True, False])
def test_redis_restarts(
    pair: list[Instance], server: redis_server.LocalRedis, tmp_path: Path, keeps_data: bool
) -> None:
    before = {c: lease for instance in pair for c, lease in instance.holder.has.items()}
    owners = {c: instance.name for instance in pair for c in instance.has}
    if keeps_data:
        time.sleep(1.1)  # Redis writes to disk every second
    server.stop()
    eventually(lambda: not any(instance.ownership.reachable for instance in pair))
    start_again(server, tmp_path / ("redis" if keeps_data else "another"))
    eventually(lambda: all(instance.ownership.reachable for instance in pair))
    client = connection.connect(server.url)

    def settled() -> bool:
        found = pair[0].leases.owners(CAMERAS)
        return {c: owner.instance for c, owner in found.items() if owner is not None} == owners

    eventually(settled)
    assert set(client.hgetall(keys.CAMERAS)) == {c.encode() for c in CAMERAS}
    eventually(lambda: all(i.ownership.epoch(c) for i in pair for c in i.has))
    assert no_camera_has_two_owners(pair)
    for instance in pair:
        # Each owner still holds its memory, under an epoch that is not older.
        assert not any(call.startswith("lost") for call in instance.holder.calls)
        for camera_id, lease in instance.holder.has.items():
            assert owners[camera_id] == instance.name
            if keeps_data:
                assert lease == before[camera_id]
            else:
                assert lease.epoch > before[camera_id].epoch
    client.close()


def test_removal_under_load_leaves_no_key(
    pair: list[Instance], server: redis_server.LocalRedis
) -> None:
    client = connection.connect(server.url)
    log = RedisFrameLog(client)
    decoder = Leases(client, "decoder", "decoder", "").acquire("camera-0")
    assert decoder is not None
    for number in range(1, 400):
        if number == 200:
            remove(client, "camera-0")
        try:
            log.append(chunk("camera-0", number), decoder.fence)
        except Fenced:
            assert number >= 200
        for instance in pair:
            if lease := instance.holder.has.get("camera-0"):
                instance.leases.put_status([(lease, {"memory_frames": number})])
    eventually(lambda: "camera-0" not in together(pair))
    time.sleep(3.5)  # at least one renewal
    assert traces(client, "camera-0") == []
    assert together(pair) == set(CAMERAS) - {"camera-0"}
    client.close()
