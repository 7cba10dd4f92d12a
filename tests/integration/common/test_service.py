"""How a service's process starts, is announced, and ends: exit codes and log lines."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SERVICE = """
import asyncio, gc, sys
from hermes.errors import Unavailable
from services.common.async_service import run_async_service
from services.common.settings import ServiceSettings

class Service:
    address, metrics_port = "127.0.0.1:7", 8

    def __init__(self, settings):
        self.ready, self.failed = asyncio.Event(), asyncio.Event()

    async def start(self):
        print("starting", flush=True)
        {start}

    async def stop(self):
        kept = "what was loaded is kept" if gc.get_freeze_count() > 10_000 else "nothing is kept"
        print("stopped", kept, sep=": ", flush=True)

sys.exit(run_async_service("gateway", ServiceSettings, Service))
"""
KEPT = "stopped: what was loaded is kept\n"
"""What it prints at the end: the garbage collector leaves alone what was there at the start."""


@contextmanager
def service(start: str, announce: Path | str = "") -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVICE.format(start=start), "--announce", str(announce)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "starting\n"
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()


def end(process: subprocess.Popen[str]) -> tuple[int, str, list[str]]:
    """Exit status, what it printed, and the events of its log."""
    assert process.stdout is not None
    assert process.stderr is not None
    out, log = process.stdout.read(), process.stderr.read()
    process.wait(20)
    assert "Traceback" not in log
    return process.returncode, out, [json.loads(line)["event"] for line in log.splitlines()]


def test_a_service_is_announced_when_it_is_ready_and_stopped_by_a_signal(tmp_path: Path) -> None:
    announce = tmp_path / "announce.json"
    for number in (signal.SIGTERM, signal.SIGINT):
        announce.unlink(missing_ok=True)
        with service("self.ready.set()", announce) as process:
            until = time.monotonic() + 20
            while not announce.exists():
                assert time.monotonic() < until
                time.sleep(0.02)
            assert json.loads(announce.read_text()) == {"address": "127.0.0.1:7", "metrics_port": 8}
            process.send_signal(number)
            assert end(process) == (0, KEPT, ["starting", "ready"])


def test_a_service_that_is_not_ready_is_not_announced(tmp_path: Path) -> None:
    announce = tmp_path / "announce.json"
    with service("pass", announce) as process:
        process.terminate()
        assert end(process) == (0, KEPT, ["starting"])
    assert not announce.exists()


def test_a_service_that_fails_is_stopped_in_order_and_says_so_to_its_starter() -> None:
    with service("self.failed.set()") as process:
        assert end(process) == (1, KEPT, ["starting"])


def test_a_signal_while_a_service_starts_ends_it_at_once() -> None:
    with service("await asyncio.sleep(60)") as process:
        time.sleep(0.1)
        process.terminate()
        assert end(process) == (0, "", ["starting", "stopped_while_starting"])


@pytest.mark.parametrize("error", ["OSError('disk')", "Unavailable('store')"])
def test_an_expected_error_at_the_start_is_one_line(error: str) -> None:
    with service(f"raise {error}") as process:
        assert end(process) == (1, "", ["starting", "cannot_start"])
