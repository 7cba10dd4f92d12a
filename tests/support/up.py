"""`hermes up` as a process under test."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from hermes.client import Camera, HermesClient
from tests.support.waiting import eventually

STARTED_S = 90.0
NO_HTTP = ("--http", "off")
"""The door takes seconds to load; the tests of the door start it."""
COMMAND = [sys.executable, "-m", "services.cli.main", "up"]


@dataclass
class Up:
    """A run that answers."""

    process: subprocess.Popen[bytes]
    log: Path
    address: str
    client: HermesClient
    killed: bool = False

    def kill(self) -> list[psutil.Process]:
        """kill -9 of `hermes up` alone. The processes that it had started."""
        # Redis rewrites its command line and environment, so they are noted before.
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.killed = True
        self.process.kill()
        self.process.wait()
        return family

    def said(self) -> str:
        """All that it has written."""
        return self.log.read_text()

    def pid_of(self, name: str) -> int:
        """The process of a service: `gateway`, `decoder`, `worker` or `Redis`."""
        for child in psutil.Process(self.process.pid).children():
            try:
                if name == "Redis" and child.name() == "redis-server":
                    return child.pid
                if child.environ().get("HERMES_ANNOUNCE", "").endswith(f"/{name}.json"):
                    return child.pid
            except psutil.Error:
                continue
        raise AssertionError(f"{name} does not run")

    def seen(self, camera_id: str, state: str, within_s: float = 60.0) -> Camera:
        """The camera, once its source is in this state and its memory serves."""

        def there() -> bool:
            camera = self.client.get_camera(camera_id)
            return camera.source.state == state and camera.memory.state == "serving"

        eventually(there, within_s, f"{camera_id} is {state}, and remembered")
        return self.client.get_camera(camera_id)


@contextmanager
def running(tmp_path: Path, environment: dict[str, str], *flags: str) -> Iterator[Up]:
    """`hermes up` with these flags, until it is stopped."""
    log = tmp_path / "up.log"
    with log.open("w") as told:
        process = subprocess.Popen(
            [*COMMAND, "--listen", "127.0.0.1:0", *(() if "--http" in flags else NO_HTTP), *flags],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=subprocess.STDOUT,
        )
    try:

        def started() -> bool:
            assert process.poll() is None, log.read_text()
            return "Ask away" in log.read_text()

        eventually(started, STARTED_S, "up")
        address = log.read_text().split(" -g ")[1].split()[0]
        with HermesClient(address) as client:
            run = Up(process, log, address, client)
            yield run
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
    assert run.killed or code == 0, log.read_text()
