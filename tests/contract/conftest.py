"""A real Redis of each version that this machine has, and a cluster of three."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import redis

from services.cli import redis_server
from services.common import connection
from tests.support.redis_clusters import running_cluster
from tests.support.redises import binaries

BINARIES = binaries()
CLUSTER = "cluster"
REDISES: list[Any] = [
    *(BINARIES or ["any"]),
    pytest.param(CLUSTER, marks=pytest.mark.slow),  # test_cluster.py has its quick tests
]
"""Names of the installed and the bundled server; with neither, of whatever there is."""


@pytest.fixture(scope="session")
def url_of(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], str]]:
    """The URL of the Redis of that name, started when first asked for."""
    running: dict[str, redis_server.LocalRedis] = {}
    clusters: dict[str, str] = {}
    ends = ExitStack()

    def start(name: str) -> str:
        if name == CLUSTER:
            if name not in clusters:
                cluster = running_cluster(tmp_path_factory.mktemp(name))
                clusters[name] = ends.enter_context(cluster).url
            return clusters[name]
        if name == "any":
            url: str = request.getfixturevalue("redis_url")
            return url
        if name not in running:
            folder = tmp_path_factory.mktemp(name)
            running[name] = redis_server.start(folder, binary=BINARIES[name])
        return running[name].url

    yield start
    ends.close()
    for server in running.values():
        server.stop()


@pytest.fixture(scope="session", params=REDISES)
def each_redis_url(request: pytest.FixtureRequest, url_of: Callable[[str], str]) -> str:
    return url_of(request.param)


@pytest.fixture
def client(each_redis_url: str) -> Iterator[redis.Redis]:
    """A client as services make it, of an empty Redis."""
    yield from emptied(each_redis_url)


def emptied(url: str) -> Iterator[redis.Redis]:
    client = connection.connect(url, block_s=5)
    client.flushdb()
    yield client
    client.close()
