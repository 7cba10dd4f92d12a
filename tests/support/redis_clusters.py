"""Clusters of real Redis servers on the loopback interface."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.crc import key_slot

from services.cli.redis_server import find_binary, free_port
from services.common.parent import ending_with_parent
from tests.support.certificates import Files
from tests.support.redis_tls import listening, reaching
from tests.support.waiting import eventually

SLOTS = 16384
NODE_TIMEOUT_MS = 2500
BUS_ABOVE = 10_000
"""The port of the cluster's own messages is this much above that of clients, unless it is set."""


@dataclass
class Node:
    """One server. `arguments` start it again."""

    port: int
    arguments: list[str]
    process: subprocess.Popen[bytes]
    client: Any = field(repr=False)

    @property
    def id(self) -> str:
        """Its name within the cluster."""
        return str(self.client.execute_command("CLUSTER MYID"), "ascii")

    def kill(self) -> None:
        """As when its machine is lost."""
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        """Start it again, with what it knows of the cluster."""
        self.process = subprocess.Popen(self.arguments)
        eventually(self.answers, 10, "the node is back")

    def answers(self) -> bool:
        """Whether it serves now."""
        try:
            return bool(self.client.ping())
        except redis.RedisError:
            return False

    @property
    def is_primary(self) -> bool:
        """Whether it is a primary now."""
        return b"master" in self.client.execute_command("ROLE")[0]


class Cluster:
    """Three primaries or so, each with its replicas."""

    def __init__(
        self, folder: Path, primaries: int, replicas: int, binary: str, tls: Files | None
    ) -> None:
        self._folder = folder
        self._binary = binary
        self._tls = tls
        self.nodes = [self._start(number) for number in range(primaries * (1 + replicas))]
        self.primaries = self.nodes[:primaries]
        for node in self.nodes:
            eventually(node.answers, 10, "the node answers")
        self._join(primaries)

    @property
    def url(self) -> str:
        """The address of the cluster: two of its nodes."""
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes[:2])
        return f"redis{'s' if self._tls else ''}+cluster://{hosts}"

    def _start(self, number: int) -> Node:
        own = self._folder / f"node-{number}"
        own.mkdir(parents=True)
        port = _port_with_bus()
        arguments = [
            *ending_with_parent(), self._binary, *listening(port, self._tls), "--bind", "127.0.0.1",
            "--dir", str(own), "--save", "", "--appendonly", "no", "--cluster-enabled", "yes",
            "--cluster-config-file", str(own / "nodes.conf"), "--logfile", str(own / "redis.log"),
            "--cluster-node-timeout", str(NODE_TIMEOUT_MS), "--repl-diskless-sync-delay", "0",
            "--repl-diskless-sync", "yes", "--cluster-require-full-coverage", "no",
        ]  # fmt: skip
        if self._tls:
            arguments += ["--tls-cluster", "yes", "--tls-replication", "yes"]
        client = redis.Redis(port=port, socket_timeout=5, protocol=2, **reaching(self._tls))
        return Node(port, arguments, subprocess.Popen(arguments), client)

    def _join(self, primaries: int) -> None:
        share = SLOTS // primaries
        for number, node in enumerate(self.primaries):
            last = SLOTS if number == primaries - 1 else (number + 1) * share
            node.client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
            node.client.execute_command("CLUSTER ADDSLOTS", *range(number * share, last))
        for node in self.nodes[1:]:
            node.client.execute_command("CLUSTER MEET", "127.0.0.1", self.nodes[0].port)
        eventually(lambda: all(len(self._known(n)) == len(self.nodes) for n in self.nodes), 20)
        for number, node in enumerate(self.nodes[primaries:]):
            node.client.execute_command("CLUSTER REPLICATE", self.primaries[number % primaries].id)
        eventually(lambda: all(_says_ok(node) for node in self.nodes), 20, "the cluster is up")
        eventually(self.replicated, 20, "each primary has its replicas")

    def _known(self, node: Node) -> Any:
        return node.client.execute_command("CLUSTER NODES")

    def replicated(self) -> bool:
        """Whether every replica follows its primary."""
        replicas = [node for node in self.nodes if node.answers() and not node.is_primary]
        return all(one.client.execute_command("ROLE")[3] == b"connected" for one in replicas)

    def primary_of(self, key: str) -> Node:
        """The server that has a key now, as those that answer see it."""
        slot = key_slot(key.encode())
        for node in self.nodes:
            if not (node.answers() and node.is_primary):
                continue
            for first, last, (_, port, *_rest), *_others in node.client.execute_command(
                "CLUSTER SLOTS"
            ):
                if first <= slot <= last and port == node.port:
                    return node
        raise redis.ConnectionError(f"no node has slot {slot} now")

    def move_slot(self, key: str, pause_s: float = 0.0) -> tuple[Node, Node]:
        """Move the slot of a key to another primary, key by key. From where, and to where.

        `pause_s`: how long it stays half moved.
        """
        slot, source = key_slot(key.encode()), self.primary_of(key)
        target = next(
            node for node in self.nodes if node.answers() and node.is_primary and node != source
        )
        target.client.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", source.id)
        source.client.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", target.id)
        while found := source.client.execute_command("CLUSTER GETKEYSINSLOT", slot, 1):
            source.client.execute_command(
                "MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *found
            )
            time.sleep(pause_s)
        for node in (target, source, *self.nodes):
            if node.answers() and node.is_primary:
                node.client.execute_command("CLUSTER SETSLOT", slot, "NODE", target.id)
        return source, target

    def stop(self) -> None:
        """End all servers."""
        for node in self.nodes:
            node.kill()
            node.client.close()


def _port_with_bus() -> int:
    while True:
        port = free_port()
        if port + BUS_ABOVE < 1 << 16:
            return port


def _says_ok(node: Node) -> bool:
    info = node.client.execute_command("CLUSTER INFO")
    return "cluster_state:ok" in (info if isinstance(info, str) else str(info)) or (
        isinstance(info, dict) and info.get("cluster_state") == "ok"
    )


@contextmanager
def running_cluster(
    folder: Path,
    primaries: int = 3,
    replicas: int = 0,
    binary: str | None = None,
    tls: Files | None = None,
) -> Iterator[Cluster]:
    """Start a cluster. Skips where there is no redis-server."""
    found = binary or (find_binary() or ("", ""))[0]
    if not found:
        pytest.skip("no redis-server binary to start a cluster of")
    cluster = Cluster(folder, primaries, replicas, found, tls)
    try:
        yield cluster
    finally:
        cluster.stop()


def spread(count: int, keys: Sequence[str] = ()) -> list[str]:
    """Ids of cameras whose keys are in slots far from each other."""
    return [f"camera-{number}" for number in range(count)]
