"""Runs the pipeline as child processes of one command. All of them end with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from services.cli import redis_server
from services.common.files import PRIVATE_UMASK, private_folder, write_private
from services.common.parent import DIE_WITH_PARENT

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 20.0


class StartFailed(Exception):
    """A process ended, or was not ready in time. The message shows the end of its log."""


@dataclass
class Child:
    """A running service."""

    name: str
    process: subprocess.Popen[bytes]
    announce: Path
    log: Path

    def ready(self) -> dict[str, Any] | None:
        """What it announced, or None while it is not ready. Raises `StartFailed` if it ended."""
        if self.announce.is_file() and (text := self.announce.read_text()):
            announced: dict[str, Any] = json.loads(text)
            return announced
        if self.process.poll() is not None:
            raise StartFailed(
                f"{self.name} ended with status {self.process.returncode}:\n{tail(self.log)}"
            )
        return None


@dataclass
class Pipeline:
    """Redis, gateway, worker and decoder on this machine.

    Each service has its own process, and its log in `folder`/logs. Use it as a
    context manager: the processes end with it. If this process is killed, the
    kernel ends them.
    """

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    redis: redis_server.LocalRedis | None = None
    children: list[Child] = field(default_factory=list)
    _files: list[IO[bytes]] = field(default_factory=list)

    def start_redis(self) -> redis_server.LocalRedis:
        """Find or start Redis."""
        self.redis = redis_server.find_or_start(self.folder / "redis")
        return self.redis

    def start(self, name: str, module: str, **settings: str | int | float | Path) -> Child:
        """Start a service; its settings travel in the environment, not on the command line."""
        if self.redis is None:
            raise RuntimeError("Redis comes first")
        logs = private_folder(self.folder / "logs")
        announce = self.folder / f"{name}.json"
        announce.unlink(missing_ok=True)
        environment = {
            **os.environ,
            **self.environment,
            "HERMES_REDIS_URL": self.redis.url,
            "HERMES_ANNOUNCE": str(announce),
            DIE_WITH_PARENT: str(os.getpid()),
            "HERMES_METRICS_HOST": "127.0.0.1",
            **{f"HERMES_{key.upper()}": str(value) for key, value in settings.items()},
        }
        log = logs / f"{name}.log"
        output = write_private(log)
        self._files.append(output)
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches only us; we stop the services in order
            umask=PRIVATE_UMASK,
        )
        child = Child(name, process, announce, log)
        self.children.append(child)
        return child

    def check(self) -> None:
        """Raise `StartFailed` if a service has ended."""
        for child in self.children:
            if child.process.poll() is not None:
                raise StartFailed(
                    f"{child.name} ended with status {child.process.returncode}:\n{tail(child.log)}"
                )

    def stop(self) -> None:
        """End everything: questions first, then memory, then cameras, then Redis."""
        order = {"gateway": 0, "worker": 1, "decoder": 2}
        children = sorted(self.children, key=lambda child: order.get(child.name, 1))
        for child in children:
            if child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        for child in children:
            try:
                child.process.wait(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
        if self.redis is not None:
            self.redis.stop()
        for file in self._files:
            file.close()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *_: object) -> None:
        # A second Ctrl-C must not interrupt the clean-up.
        previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self.stop()
        finally:
            signal.signal(signal.SIGINT, previous)


def wait_ready(child: Child, timeout_s: float = START_TIMEOUT_S) -> dict[str, Any]:
    """Wait for a service to announce itself. Raises `StartFailed`."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if (announced := child.ready()) is not None:
            return announced
        time.sleep(0.05)
    raise StartFailed(f"{child.name} is not ready after {timeout_s:.0f} s:\n{tail(child.log)}")


def tail(log: Path, lines: int = 15) -> str:
    """Why a service ended: its last error, or else the end of its log."""
    written = log.read_text(errors="replace").splitlines()[-lines:]
    for line in reversed(written):
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and event.get("level") in ("error", "critical"):
            reason = event.get("error") or event.get("exception") or ""
            return f"  {event.get('event')}: {reason}".rstrip(": ")
    return "\n".join(written)
