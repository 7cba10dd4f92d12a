"""Notifiers for tests: in this process, and as processes that may be killed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import yaml

from services.common.metrics import Metrics
from services.notifier.notifier import Notifier
from services.notifier.settings import NotifierSettings

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def webhook(name: str, url: str, **more: Any) -> dict[str, Any]:
    """A webhook in a file of sinks."""
    return {
        "name": name, "kind": "webhook", "url": url, "secret_file": "secret",
        "allow_private": True, "timeout_s": 1, **more,
    }  # fmt: skip


def sinks_file(folder: Path, *sinks: dict[str, Any]) -> Path:
    """A file of these sinks, and the secret of webhooks beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "secret").write_text(SECRET)
    path = folder / "sinks.yaml"
    path.write_text(yaml.safe_dump({"sinks": list(sinks)}))
    return path


@asynccontextmanager
async def notifying(redis_url: str, sinks: Path, **more: Any) -> AsyncIterator[Metrics]:
    """A notifier on the running loop; its metrics."""
    settings = NotifierSettings(redis_url=redis_url, sinks=sinks, metrics_host="127.0.0.1", **more)
    metrics = Metrics()
    notifier = Notifier(settings, metrics)
    await notifier.start()
    try:
        yield metrics
    finally:
        await notifier.stop()


async def soon(what: Callable[[], object], within_s: float = 30.0) -> None:
    """Wait until something holds. Raises AssertionError."""
    until = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < until, f"not within {within_s} s"
        await asyncio.sleep(0.02)


@contextmanager
def notifier_process(
    redis_url: str, sinks: Path, log: Path, *, lease_s: float
) -> Iterator[subprocess.Popen[bytes]]:
    """A notifier as a process. It is killed at the end, if it still runs."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.notifier.main", "--sinks", str(sinks),
             "--redis-url", redis_url, "--metrics-host", "127.0.0.1", "--lease-s", str(lease_s)],
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
            stdout=output,
            stderr=output,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.wait()
