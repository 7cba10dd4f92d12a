"""The quick part of what must hold in a cluster. The whole contract runs there as slow tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from typer.testing import CliRunner

from hermes.v1.camera_pb2 import Camera
from services.cli import redis_server
from services.cli.main import app
from services.common import connection, keys
from services.common.data_marks import DataMarks
from services.common.frame_log import BEGINNING, RedisFrameLog
from services.common.leases import Leases
from services.common.redis_cluster import by_node
from services.common.registry import CameraRegistry
from tests.support.log_entries import chunk
from tests.support.redis_clusters import Cluster, running_cluster
from tests.support.waiting import eventually

CAMERAS = [f"camera-{number}" for number in range(12)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture
def client(cluster: Cluster) -> Iterator[redis.Redis]:
    found = connection.connect(cluster.url, block_s=1)
    found.flushdb()
    yield found
    found.close()


def test_leases_of_all_nodes_are_granted_renewed_and_read(client: redis.Redis) -> None:
    assert len(by_node(client, [keys.lease(c, "worker") for c in CAMERAS])) == 3
    leases = Leases(client, "worker", "one", "one:1")
    held = [lease for camera in CAMERAS if (lease := leases.acquire(camera)) is not None]
    assert set(leases.renew(held, {}).values()) == {"KEPT"}
    assert leases.put_status((lease, {"state": "x"}) for lease in held) == 0
    owners = leases.owners(CAMERAS)
    assert all(owner is not None and owner.instance == "one" for owner in owners.values())


def test_a_primary_that_lost_the_scripts_is_given_them_again(
    client: redis.Redis, cluster: Cluster
) -> None:
    leases = Leases(client, "worker", "one", "one:1")
    held = [lease for camera in CAMERAS if (lease := leases.acquire(camera)) is not None]
    for node in cluster.nodes:
        node.client.script_flush()
    assert set(leases.renew(held, {}).values()) == {"KEPT"}


def test_logs_on_all_nodes_are_read_at_once(client: redis.Redis) -> None:
    log = RedisFrameLog(client)
    leases = Leases(client, "decoder", "one", "")
    for camera in CAMERAS:
        lease = leases.acquire(camera)
        assert lease is not None
        log.append(chunk(camera, 1000), lease.fence)
    read = log.read(dict.fromkeys(CAMERAS, BEGINNING), count=4, block_s=1)
    assert sorted(entry.camera_id for entry in read) == sorted(CAMERAS)
    assert log.last_ids(CAMERAS) == {entry.camera_id: entry.id for entry in read}
    assert log.read({entry.camera_id: entry.id for entry in read}, count=4, block_s=0.1) == []


@pytest.mark.parametrize("pause_s", [0.0, 0.02])
def test_a_slot_that_moves_is_followed(
    client: redis.Redis, cluster: Cluster, pause_s: float
) -> None:
    leases = Leases(client, "worker", "one", "one:1")
    lease = leases.acquire("lobby")
    assert lease is not None
    cluster.move_slot(keys.lease("lobby", "worker"), pause_s)
    assert leases.renew([lease], {}) == {"lobby": "KEPT"}


def test_a_node_that_lost_its_data_is_noticed_by_its_cameras_alone(
    client: redis.Redis, cluster: Cluster
) -> None:
    client.hset(keys.CAMERAS, "lobby", Camera(id="lobby").SerializeToString())
    registry, marks = CameraRegistry(client), DataMarks(client)
    assert set(registry.cameras([])) == {"lobby"}
    assert marks.lost() == frozenset()
    before = registry.incarnation
    node = cluster.primary_of(keys.lease("lobby", "worker"))
    node.client.flushdb()
    client.hset(keys.CAMERAS, "lobby", Camera(id="lobby").SerializeToString())
    lost = marks.lost()
    assert len(lost) == 1
    assert marks.on(lost, "lobby")
    assert not all(marks.on(lost, camera) for camera in CAMERAS)
    assert set(registry.cameras([])) == {"lobby"}
    assert registry.incarnation != before
    leases = Leases(client, "worker", "one", "one:1")
    assert leases.acquire("lobby") is None  # it is set aside for the holder that was forgotten


def test_a_cluster_out_of_reach_is_an_outage_and_is_found_again(tmp_path: Path) -> None:
    with running_cluster(tmp_path / "own", primaries=1) as own:
        client = connection.connect(own.url)
        client.set("x", 1)
        own.nodes[0].kill()
        _expect_outage(lambda: client.get("x"))
        own.nodes[0].restart()
        eventually(lambda: client.exists("x") == 0, 20, "it is up, and empty")
        client.close()


def test_a_client_is_made_while_its_cluster_is_away() -> None:
    client = connection.connect("redis+cluster://127.0.0.1:1")
    _expect_outage(lambda: client.get("x"))
    _expect_outage(lambda: client.pipeline(transaction=False).execute())


def test_commands_take_the_address_of_a_cluster(
    client: redis.Redis, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert redis_server.find_or_start(tmp_path, url=cluster.url).url == cluster.url
    monkeypatch.setenv("REDIS_URL", cluster.url)
    assert redis_server.find_or_start(tmp_path).url == cluster.url
    for sink in ("app", "home", "ops"):  # on different nodes
        client.xadd(keys.dead_letters(sink), {"why": "it said 410"})
    letters = ["notifier", "dead-letters"]
    listed = CliRunner().invoke(app, [*letters, "list", "--redis-url", cluster.url])
    assert listed.output.count("\n") == 3
    sent = CliRunner().invoke(app, [*letters, "resend", "app", "--redis-url", cluster.url])
    assert sent.output == "1 to be sent again\n"


def _expect_outage(call: Callable[[], object]) -> None:
    with pytest.raises((redis.ConnectionError, redis.TimeoutError)):
        call()
