"""Marks by which processes see that a node of a cluster lost its data, and leases with it.

With one server, one mark says it for all keys: see `registry`. In a cluster each node
can lose what it has by itself, so each gets a mark of its own, in one of its slots.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping

import redis

from services.common import keys
from services.common.redis_cluster import ClusterClient

MOST_TRIED = 4096
"""Keys that are tried to find one in a slot of each node. With 100 nodes some 500 are enough."""


class DataMarks:
    """The marks of a cluster's nodes. With one server there are none. For one thread."""

    def __init__(self, client: redis.Redis) -> None:
        self._cluster = client if isinstance(client, ClusterClient) else None
        self._seen: dict[str, bytes] = {}

    @property
    def seen(self) -> Mapping[str, bytes]:
        """The marks as the last `lost` found them, by their keys."""
        return self._seen

    def lost(self) -> frozenset[str]:
        """Read the marks. Returns the nodes whose mark is another one than before.

        A node that is out of reach keeps its mark. Raises `redis.RedisError` if none
        is in reach.
        """
        lost = set()
        for node, key in self._places().items():
            try:
                value = self._mark(key)
            except (redis.ConnectionError, redis.TimeoutError):
                continue
            if self._seen.get(key, value) != value:
                lost.add(node)
            self._seen[key] = value
        return frozenset(lost)

    def on(self, nodes: frozenset[str], camera_id: str) -> bool:
        """Whether a camera's keys are on one of these nodes."""
        if self._cluster is None:
            return False
        return self._cluster.node_of(keys.lease(camera_id, "worker")) in nodes

    def changed(self, camera_id: str) -> bool:
        """Whether the node of a camera lost its data since the last `lost`.

        Raises `redis.RedisError`.
        """
        if self._cluster is None:
            return False
        node = self._cluster.node_of(keys.lease(camera_id, "worker"))
        key = self._places().get(node)
        return key is None or (key in self._seen and self._seen[key] != self._cluster.get(key))

    def _mark(self, key: str) -> bytes:
        assert self._cluster is not None
        with self._cluster.pipeline(transaction=False) as pipeline:
            pipeline.set(key, uuid.uuid4().hex, nx=True)
            pipeline.get(key)
            value: bytes | None = pipeline.execute()[1]
        if value is None:
            raise redis.ConnectionError("a node lost its data while it was looked at")
        return value

    def _places(self) -> dict[str, str]:
        """The key of each node's mark, by the name of the node."""
        if self._cluster is None:
            return {}
        wanted = self._cluster.primaries()
        found: dict[str, str] = {}
        for number in range(MOST_TRIED):
            if len(found) == len(wanted):
                break
            key = keys.data_mark(number)
            node = self._cluster.node_of(key)
            if node in wanted:
                found.setdefault(node, key)
        return found
