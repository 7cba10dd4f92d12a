"""A cluster and Sentinels with TLS on all connections: services reach them, and go on."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from services.cli import redis_server
from services.common import keys
from services.common.connection import connect, connect_async
from services.common.leases import Leases
from tests.support.certificates import Authority, Files
from tests.support.patience import Patience
from tests.support.redis_clusters import Node, running_cluster
from tests.support.redis_tls import access, has_tls
from tests.support.sentinels import running_sentinels
from tests.support.waiting import eventually

CAMERAS = [f"camera-{number}" for number in range(6)]


@dataclass
class Shape:
    """Where it is, the certificates of all, and who has a key now."""

    url: str
    tls: Files
    primary_of: Callable[[str], Node]


@pytest.fixture(autouse=True)
def server_with_tls(tmp_path: Path) -> None:
    found = redis_server.find_binary()
    if found is None or not has_tls(found[0], tmp_path):
        pytest.skip("no redis-server with TLS")


@pytest.fixture
def tls(tmp_path: Path) -> Files:
    return Authority("ours").issue(tmp_path / "tls", "localhost")


@pytest.fixture(params=["cluster", "sentinel"])
def shape(request: pytest.FixtureRequest, tmp_path: Path, tls: Files) -> Iterator[Shape]:
    if request.param == "cluster":
        with running_cluster(tmp_path / "redis", 3, 1, tls=tls) as cluster:
            yield Shape(cluster.url, tls, cluster.primary_of)
    else:
        with running_sentinels(tmp_path / "redis", tls=tls) as pair:
            yield Shape(pair.url, tls, lambda key: pair.primary)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_leases_are_kept_when_a_primary_with_tls_dies(shape: Shape) -> None:
    assert shape.url.startswith("rediss+")
    client = connect(shape.url, access=access(shape.tls))
    other = connect_async(shape.url, access=access(shape.tls))
    leases = Leases(client, "worker", "one", "one:1")
    held = [lease for camera in CAMERAS if (lease := leases.acquire(camera)) is not None]
    assert await other.hset(keys.CAMERAS, "lobby", "x") == 1
    key = keys.lease(CAMERAS[0], "worker")
    lost = shape.primary_of(key)
    lost.kill()
    eventually(lambda: shape.primary_of(key) is not lost, 120, "its replica took over")
    eventually(lambda: set(leases.renew(held, {}).values()) == {"KEPT"}, 60, "leases are renewed")
    patience, found = Patience(60), None
    while not patience.over:  # some Sentinels may still name the old one
        with suppress(redis.ConnectionError):
            found = await other.hget(keys.CAMERAS, "lobby")
            break
    assert found == b"x"
    client.close()
    await other.aclose()
    del other  # redis-py leaves connections to lost nodes, and to Sentinels, to the collector
    gc.collect()


async def test_a_cluster_s_client_reads_its_certificates_again(tmp_path: Path, tls: Files) -> None:
    """Once the authority is another one, what a client connected with is of no use any more."""
    with running_cluster(tmp_path / "redis", primaries=1, tls=tls) as cluster:
        client = connect(cluster.url, access=access(tls))
        other = connect_async(cluster.url, access=access(tls))
        assert client.set("x", 1)
        assert await other.get("x") == b"1"
        Authority("another").issue(tls.folder, "localhost")
        (node,) = cluster.nodes
        node.client.config_set(
            "tls-cert-file", str(tls.cert), "tls-key-file", str(tls.key),
            "tls-ca-cert-file", str(tls.ca),
        )  # fmt: skip
        node.client.client_kill_filter(_type="normal", skipme=False)
        assert client.get("x") == b"1"
        assert await other.get("x") == b"1"
        client.close()
        await other.aclose()
