"""Processes are stopped together, not in silence, and at once if a person insists."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from services.cli.stopping import stop_all

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    " print('ready', flush=True); time.sleep(60)"
)


@pytest.fixture
def stubborn() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def willing() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "60"])


def test_what_ends_in_time_ends_in_silence() -> None:
    said: list[str] = []
    first, second = willing(), willing()
    stop_all([{"gateway": first, "worker": second}, {"Redis": willing()}], said.append)
    assert (first.returncode, second.returncode) == (-signal.SIGTERM, -signal.SIGTERM)
    assert said == []


def test_what_takes_longer_is_named_and_killed_in_the_end(
    stubborn: subprocess.Popen[bytes],
) -> None:
    said: list[str] = []
    redis = willing()
    stop_all([{"worker": stubborn, "decoder": willing()}, {"Redis": redis}], said.append, 1.5)
    assert said == [
        "waiting for worker to end (Ctrl-C: end at once)",
        "killing worker: not ended after 2 s",
    ]
    assert stubborn.returncode == -signal.SIGKILL
    assert redis.returncode == -signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_interrupt_ends_all_at_once(
    stubborn: subprocess.Popen[bytes], number: int
) -> None:
    handler = signal.getsignal(number)
    threading.Timer(0.1, os.kill, (os.getpid(), number)).start()  # the first, delivered twice
    threading.Timer(0.8, os.kill, (os.getpid(), number)).start()
    began = time.monotonic()
    stop_all([{"worker": stubborn}], lambda text: None)
    assert 0.7 < time.monotonic() - began < 10
    assert stubborn.returncode == -signal.SIGKILL
    assert signal.getsignal(number) == handler
