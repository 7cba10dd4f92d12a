"""Redis in each of its shapes, for tests that take its primary away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pytest

from services.cli import redis_server
from services.cli.redis_server import LocalRedis
from tests.support.redis_clusters import Cluster, Node, running_cluster
from tests.support.redises import VALKEY, binaries
from tests.support.sentinels import SentinelPair, running_sentinels
from tests.support.waiting import eventually

WITHIN_S = 120.0
"""For a failover. On a machine that has nothing else to do it takes a few seconds."""
WITH_REPLICAS = ("cluster", "sentinel", f"{VALKEY}-cluster", f"{VALKEY}-sentinel")


class Shape(Protocol):
    """A Redis whose primary can be taken away."""

    @property
    def url(self) -> str:
        """The address that services are given."""

    def lose(self, key: str) -> None:
        """Kill the primary of a key. Returns once the key is served again."""

    def mend(self) -> None:
        """Start what was killed. Returns once there is a replica again, where there was one."""


class ServerShape:
    """One server, which keeps its data on disk. Once it was killed, it is started again."""

    def __init__(self, local: LocalRedis) -> None:
        self._local = local

    @property
    def url(self) -> str:
        return self._local.url

    def lose(self, key: str) -> None:
        assert self._local.process is not None
        self._local.process.kill()
        self._local.process.wait()
        self._local.start_again()
        redis_server.wait_until_up(self._local)

    def mend(self) -> None:
        """There is nothing else."""


class ReplicatedShape:
    """Primaries with replicas, of which one takes over."""

    def __init__(self, servers: Cluster | SentinelPair) -> None:
        self._servers = servers
        self._lost: list[Node] = []

    @property
    def url(self) -> str:
        return self._servers.url

    def primary_of(self, key: str) -> Node:
        """The primary that has the key."""
        servers = self._servers
        return servers.primary_of(key) if isinstance(servers, Cluster) else servers.primary

    def lose(self, key: str) -> None:
        lost = self.primary_of(key)
        lost.kill()
        self._lost.append(lost)
        eventually(lambda: self.primary_of(key) is not lost, WITHIN_S, "its replica took over")

    def mend(self) -> None:
        while self._lost:
            self._lost.pop().restart()
        eventually(self._servers.replicated, WITHIN_S, "it is a replica now")


class ClusterShape(ReplicatedShape):
    """Three primaries, each with a replica."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self.cluster = cluster


@contextmanager
def running_shape(name: str, folder: Path) -> Iterator[Shape]:
    """Start `server`, `cluster` or `sentinel`, or one of them of Valkey: `valkey-cluster`."""
    server, _, kind = name.rpartition("-")
    binary = binaries().get(server)
    if server and binary is None:
        pytest.skip(f"no server of {server}")
    if kind == "cluster":
        with running_cluster(folder, replicas=1, binary=binary) as cluster:
            yield ClusterShape(cluster)
    elif kind == "sentinel":
        with running_sentinels(folder, binary=binary) as pair:
            yield ReplicatedShape(pair)
    else:
        local = redis_server.start(folder, binary=binary)
        try:
            yield ServerShape(local)
        finally:
            local.stop()
