"""Alertmanager, if it is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

HOW = "(Debian: apt-get install prometheus-alertmanager)"

CONFIG = """\
global: {{resolve_timeout: {resolve_timeout}}}
route: {{receiver: none}}
receivers: [{{name: none}}]
"""


def binary() -> str:
    """Where it is; skips the test, with the reason, where it is missing."""
    found = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if found is None:
        pytest.skip(f"no alertmanager on the path {HOW}")
    return found


class Alertmanager:
    """A running Alertmanager and its API."""

    def __init__(self, url: str) -> None:
        self.url = url

    def alerts(self) -> list[Any]:
        """The alerts that are active."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=10) as answer:
            return list(json.load(answer))

    def names(self) -> set[tuple[str, str]]:
        """Watch and camera of each."""
        return {(one["labels"]["alertname"], one["labels"]["camera"]) for one in self.alerts()}


@contextmanager
def running(folder: Path, port: int, resolve_timeout: str = "5m") -> Iterator[Alertmanager]:
    """An Alertmanager that has begun to serve; it is ended at the end."""
    program = binary()
    folder.mkdir(exist_ok=True)
    config = folder / "alertmanager.yml"
    config.write_text(CONFIG.format(resolve_timeout=resolve_timeout))
    url = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as output:
        process = subprocess.Popen(
            [program, f"--config.file={config}", f"--storage.path={folder / 'data'}",
             f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="],
            stdout=output,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            _wait(process, url, folder / "log")
            yield Alertmanager(url)
        finally:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"{url}/-/ready", timeout=2):
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"Alertmanager did not become ready:\n{log.read_text()[-4000:]}")
