"""Mosquitto, if it is installed, and a client that notes what is published."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

HOW = "(Debian: apt-get install mosquitto)"
_PATH = os.environ.get("PATH", "") + ":/usr/sbin"


def need(program: str) -> str:
    """Where a program is; skips the test, with the reason, where it is missing."""
    found = shutil.which(program, path=_PATH)
    if found is None:
        pytest.skip(f"no {program} on the path {HOW}")
    return found


@contextmanager
def running(folder: Path, port: int, *lines: str) -> Iterator[subprocess.Popen[bytes]]:
    """A broker that has begun to listen. `lines`: of its configuration."""
    program = need("mosquitto")
    folder.mkdir(exist_ok=True)
    config = folder / "mosquitto.conf"
    more = lines or ("allow_anonymous true",)
    config.write_text("\n".join([f"listener {port} 127.0.0.1", "user root", *more, ""]))
    with (folder / "log").open("ab") as output:
        process = subprocess.Popen([program, "-c", str(config)], stdout=output, stderr=output)
        try:
            _wait(process, port, folder / "log")
            yield process
        finally:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=2).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"mosquitto does not listen:\n{log.read_text()[-4000:]}")


class Subscriber:
    """Notes everything that is published. A context manager."""

    def __init__(self, port: int) -> None:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        self.last: dict[str, bytes] = {}
        self.events: list[Any] = []
        self._port = port
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self._client.on_message = lambda _, __, message: self._note(
            message.topic, bytes(message.payload)
        )

    def __enter__(self) -> Subscriber:
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def json(self, topic: str) -> Any:
        """The last payload of a topic; an empty object if there was none."""
        return json.loads(self.last.get(topic, b"{}"))

    def _note(self, topic: str, payload: bytes) -> None:
        self.last[topic] = payload
        if topic.endswith("/events"):
            self.events.append(json.loads(payload))
