"""A server that was the primary, and goes on as a replica with our connection open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from services.cli import redis_server
from services.common.connection import connect, connect_async
from services.common.leases import Leases
from tests.support.proxy import Proxy
from tests.support.redises import binaries


@dataclass
class Demoted:
    """A name that led to the old primary, and leads to the new one by now."""

    url: str
    wire: Proxy
    old: redis.Redis
    new_port: int

    def fail_over(self) -> None:
        self.wire.lead_to(self.new_port)
        self.old.replicaof("127.0.0.1", self.new_port)


@pytest.fixture(params=list(binaries()) or ["none"])
def demoted(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Demoted]:
    if request.param == "none":
        pytest.skip("no redis-server binary")
    binary = binaries()[request.param]
    old = redis_server.start(tmp_path / "old", binary=binary)
    new = redis_server.start(tmp_path / "new", binary=binary)
    with Proxy(_port(old.url)) as wire, redis.Redis.from_url(old.url) as admin:
        yield Demoted(f"redis://{wire.address}/0", wire, admin, _port(new.url))
    old.stop()
    new.stop()


def test_a_write_goes_to_the_new_primary_at_once(demoted: Demoted) -> None:
    with connect(demoted.url) as client:
        leases = Leases(client, "worker", "one", "")
        assert client.set("x", 1)
        assert leases.acquire("lobby") is not None
        demoted.fail_over()
        assert client.set("x", 2)


def test_so_does_a_script(demoted: Demoted) -> None:
    with connect(demoted.url) as client:
        leases = Leases(client, "worker", "one", "")
        lease = leases.acquire("lobby")
        assert lease is not None
        demoted.fail_over()
        assert leases.acquire("lobby") is not None
        assert leases.renew([lease], {})


async def test_so_does_a_write_of_an_event_loop(demoted: Demoted) -> None:
    async with connect_async(demoted.url) as client:
        assert await client.set("x", 1)
        demoted.fail_over()
        assert await client.set("x", 2)


def _port(url: str) -> int:
    return int(url.rsplit(":", 1)[1].partition("/")[0])
