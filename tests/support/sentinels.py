"""A primary with a replica, and the Sentinels that watch them, on the loopback interface."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from services.cli.redis_server import find_binary, free_port
from services.common.parent import ending_with_parent
from tests.support.certificates import Files
from tests.support.redis_clusters import Node
from tests.support.redis_tls import listening, reaching
from tests.support.waiting import eventually

SERVICE = "hermes"
DOWN_AFTER_MS = 1000
SENTINELS = 3
QUORUM = 2


class SentinelPair:
    """Two servers and three Sentinels."""

    def __init__(self, folder: Path, binary: str, tls: Files | None = None) -> None:
        self._binary = binary
        self._tls = tls
        self.servers = [self._server(folder / f"server-{number}") for number in range(2)]
        first, second = self.servers
        for server in self.servers:
            eventually(server.answers, 10, "the server answers")
        second.client.execute_command("REPLICAOF", "127.0.0.1", first.port)
        eventually(lambda: second.client.execute_command("ROLE")[3] == b"connected", 20)
        self._sentinels = [
            self._sentinel(folder / f"sentinel-{number}", first.port) for number in range(SENTINELS)
        ]
        eventually(self._all_know, 30, "the Sentinels know each other and the replica")

    @property
    def url(self) -> str:
        """The address by which services find the primary."""
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self._sentinels)
        return f"redis{'s' if self._tls else ''}+sentinel://{hosts}/{SERVICE}"

    @property
    def primary(self) -> Node:
        """The server that the Sentinels name now."""
        _, port = self._sentinels[0].client.execute_command(
            "SENTINEL GET-MASTER-ADDR-BY-NAME", SERVICE
        )
        return next(server for server in self.servers if server.port == int(port))

    def replicated(self) -> bool:
        """Whether one server follows the other, and all Sentinels know it."""
        replicas = [server for server in self.servers if not server.is_primary]
        return len(replicas) == 1 and (
            replicas[0].client.execute_command("ROLE")[3] == b"connected" and self._all_know()
        )

    def fail_over(self) -> None:
        """Have the Sentinels make the replica the primary, while the old one lives on."""
        before = self.primary
        self._sentinels[0].client.execute_command("SENTINEL FAILOVER", SERVICE)
        eventually(lambda: self.primary is not before, 120, "the replica is the primary")

    def stop(self) -> None:
        """End all of them."""
        for node in (*self._sentinels, *self.servers):
            node.kill()
            node.client.close()

    def _server(self, folder: Path) -> Node:
        folder.mkdir(parents=True)
        port = free_port()
        return self._start(
            port,
            [
                "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", "--appendonly", "no",
                "--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0",
                "--logfile", str(folder / "redis.log"),
            ],
        )  # fmt: skip

    def _sentinel(self, folder: Path, watched: int) -> Node:
        folder.mkdir(parents=True)
        port = free_port()
        file = folder / "sentinel.conf"
        file.write_text(
            f"bind 127.0.0.1\ndir {folder}\nlogfile {folder / 'sentinel.log'}\n"
            f"sentinel monitor {SERVICE} 127.0.0.1 {watched} {QUORUM}\n"
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}\n"
            f"sentinel failover-timeout {SERVICE} 10000\n"
        )
        return self._start(port, [str(file), "--sentinel"])

    def _start(self, port: int, arguments: list[str]) -> Node:
        whole = [*ending_with_parent(), self._binary, *arguments, *listening(port, self._tls)]
        if self._tls:
            whole += ["--tls-replication", "yes"]
        client = redis.Redis(port=port, socket_timeout=5, protocol=2, **reaching(self._tls))
        return Node(port, whole, subprocess.Popen(whole), client)

    def _all_know(self) -> bool:
        for sentinel in self._sentinels:
            fields = sentinel.client.execute_command("SENTINEL MASTER", SERVICE)
            if int(fields["num-slaves"]) < 1 or int(fields["num-other-sentinels"]) < SENTINELS - 1:
                return False
        return True


@contextmanager
def running_sentinels(
    folder: Path, binary: str | None = None, tls: Files | None = None
) -> Iterator[SentinelPair]:
    """Start them. Skips where there is no redis-server."""
    found = binary or (find_binary() or ("", ""))[0]
    if not found:
        pytest.skip("no redis-server binary to start Sentinels of")
    pair = SentinelPair(folder, found, tls)
    try:
        yield pair
    finally:
        pair.stop()
