"""Runs the pipeline as child processes of one command. All of them end with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.cli import redis_server
from services.cli.log_file import how_it_ended, last_words, load_progress
from services.cli.stopping import stop_all
from services.common.files import PRIVATE_UMASK, append_private, private_folder, write_private
from services.common.parent import DIE_WITH_PARENT, ending_with_parent

START_TIMEOUT_S = 120.0
LOOK_EVERY_S = 1.0
"""How often the log is searched for how far the loading of a model has come."""

Setting = str | int | float | Path


class StartFailed(Exception):
    """A process ended, or was not ready in time. The message says why, and where its log is."""


@dataclass
class Child:
    """A running service."""

    name: str
    process: subprocess.Popen[bytes]
    announce: Path
    log: Path
    module: str
    settings: dict[str, Setting]

    def ready(self) -> dict[str, Any] | None:
        """What it announced, or None while it is not ready. Raises `StartFailed` if it ended."""
        if (announced := self.announced()) is not None:
            return announced
        self.check()
        return None

    def announced(self) -> dict[str, Any] | None:
        """What it announced, or None while it is not ready."""
        if not (self.announce.is_file() and (text := self.announce.read_text())):
            return None
        announced: dict[str, Any] = json.loads(text)
        return announced

    def check(self) -> None:
        """Raise `StartFailed` if it has ended."""
        status = self.process.poll()
        if status is not None:
            words = last_words(self.log)
            because = f":\n{words}" if words else ""
            raise StartFailed(
                f"{self.name} ended ({how_it_ended(status)}){because}\n  log: {self.log}"
            )


@dataclass
class Pipeline:
    """Redis, gateway, worker, decoder and perhaps a notifier on this machine.

    Each service has its own process, and its log in `folder`/logs. Use it as a
    context manager: the processes end with it. If this process is killed, the
    kernel ends them. `keep_open`: open files that Redis
    inherits. `say` is called with what stopping waits for. `redis_url`: a Redis that
    is used instead of one of our own.
    """

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    redis: redis_server.LocalRedis | None = None
    children: list[Child] = field(default_factory=list)
    keep_open: tuple[int, ...] = ()
    say: Callable[[str], None] = lambda text: None
    redis_url: str = ""

    def start_redis(self) -> redis_server.LocalRedis:
        """Find or start Redis."""
        self.redis = redis_server.find_or_start(
            self.folder / "redis", self.keep_open, self.redis_url
        )
        return self.redis

    def start(self, name: str, module: str, **settings: Setting) -> Child:
        """Start a service; its settings travel in the environment, not on the command line."""
        log = private_folder(self.folder / "logs") / f"{name}.log"
        write_private(log).close()  # what an earlier run wrote goes
        announce = self.folder / f"{name}.json"
        process = self._launch(module, announce, log, settings)
        child = Child(name, process, announce, log, module, settings)
        self.children.append(child)
        return child

    def start_again(self, child: Child, **settings: Setting) -> None:
        """Start a service that has ended; `settings` count before its own. Its log goes on."""
        child.process = self._launch(
            child.module, child.announce, child.log, child.settings | settings
        )

    def _launch(
        self, module: str, announce: Path, log: Path, settings: dict[str, Setting]
    ) -> subprocess.Popen[bytes]:
        if self.redis is None:
            raise RuntimeError("Redis comes first")
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
        with append_private(log) as output:
            return subprocess.Popen(
                # From its first moment on, not only once it has imported everything.
                [*ending_with_parent(), sys.executable, "-m", module],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches it through us, in order
                umask=PRIVATE_UMASK,
            )

    def check(self) -> None:
        """Raise `StartFailed` if a service has ended."""
        for child in self.children:
            child.check()

    def check_redis(self) -> None:
        """Raise `StartFailed` if Redis has ended, and we started it."""
        server = self.redis
        if server is not None and server.process is not None and server.process.poll() is not None:
            raise StartFailed(
                f"Redis ended ({how_it_ended(server.process.returncode)})\n  log: {server.log}"
            )

    def stop(self) -> None:
        """End everything: the services together, then Redis, in which they leave what they know."""
        services = {child.name: child.process for child in self.children}
        server = None if self.redis is None else self.redis.process
        stop_all([services, {} if server is None else {"Redis": server}], self.say)

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def wait_ready(
    child: Child,
    timeout_s: float = START_TIMEOUT_S,
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Wait for a service to announce itself. Raises `StartFailed`.

    `say`: told how far the loading of a model has come. While that goes on, the time
    begins anew.
    """
    deadline, look, known = time.monotonic() + timeout_s, 0.0, ""
    while (now := time.monotonic()) < deadline:
        if (announced := child.ready()) is not None:
            return announced
        if now >= look:
            look = now + LOOK_EVERY_S
            if (progress := load_progress(child.log)) and progress != known:
                known, deadline = progress, now + timeout_s
                say(f"{child.name}: {progress}")
        time.sleep(0.05)
    raise StartFailed(
        f"{child.name} is not ready after {timeout_s:.0f} s\n  {last_words(child.log)}".rstrip()
        + f"\n  log: {child.log}"
    )
