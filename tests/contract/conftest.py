"""A real Redis of each version that this machine has."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import redis

from services.cli import redis_server
from services.common import connection
from tests.support.redises import binaries

BINARIES = binaries()
REDISES = list(BINARIES) or ["any"]
"""Names of the installed and the bundled server; with neither, of whatever there is."""


@pytest.fixture(scope="session")
def url_of(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], str]]:
    """The URL of the Redis of that name, started when first asked for."""
    running: dict[str, redis_server.LocalRedis] = {}

    def start(name: str) -> str:
        if name == "any":
            url: str = request.getfixturevalue("redis_url")
            return url
        if name not in running:
            folder = tmp_path_factory.mktemp(name)
            running[name] = redis_server.start(folder, binary=BINARIES[name])
        return running[name].url

    yield start
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
