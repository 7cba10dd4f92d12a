"""Prometheus and its promtool, if they are installed."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from services.cli.redis_server import free_port

HOW = "(Debian: apt-get install prometheus)"


def need(program: str) -> str:
    """Where a program is; skips the test, with the reason, where it is missing."""
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"no {program} on the path {HOW}")
    return path


class Prometheus:
    """A running Prometheus and its HTTP API."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, **parameters: str) -> Any:
        """The data of an answer. Raises ValueError with what Prometheus finds wrong."""
        query = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise ValueError(f"{path} {parameters}: {error.read().decode()}") from None

    def query(self, expr: str) -> list[Any]:
        """The series of an expression, now."""
        data = self.get("query", query=expr)
        assert data["resultType"] == "vector"
        return list(data["result"])

    def between(self, expr: str, start: float, end: float) -> list[Any]:
        """The same, second by second, between two times in seconds since 1970."""
        data = self.get("query_range", query=expr, start=f"{start}", end=f"{end}", step="1")
        return list(data["result"])

    def firing(self) -> set[str]:
        """The names of the alerts that fire."""
        alerts = self.get("alerts")["alerts"]
        return {one["labels"]["alertname"] for one in alerts if one["state"] == "firing"}


@contextmanager
def running(config: Path, data: Path) -> Iterator[Prometheus]:
    """A Prometheus that has begun to serve; it is ended at the end."""
    port = free_port()
    log = data.parent / "prometheus.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                need("prometheus"),
                f"--config.file={config}",
                f"--storage.tsdb.path={data}",
                "--enable-feature=exemplar-storage",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_ready(process, url, log)
            yield Prometheus(url)
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"{url}/-/ready", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"Prometheus did not become ready:\n{log.read_text()[-4000:]}")
