"""What a quiet caller waits for while another floods the gateway: real processes, two tokens.

The flood is a process of its own that always has 500 questions on the way. One that is refused
is asked again when the refusal says, as a client does.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.table import Row
from hermes.client import AsyncHermesClient, Camera, HermesClient
from hermes.demo.scenes import make_scene
from hermes.errors import HermesError, Retryable
from services.cli.film import film
from services.cli.local import LocalSettings, start_services, wait_for_cameras
from services.cli.processes import Pipeline
from services.query_gateway.access.token_file import new_token

CAMERAS = ("bench-0", "bench-1", "bench-2", "bench-3")
AT_ONCE = 500
ASKED_A_ROUND = 12
LEAST_ROUNDS = 12
FILM_S = 8.0
PATIENCE_S = 180.0
QUESTION = "What came first?"
RAISED = {
    "HERMES_CALLER_CALLS_PER_SECOND": "100000",
    "HERMES_CALLER_BURST": "100000",
    "HERMES_CALLER_OPEN_CALLS": "100000",
}
"""Without the bounds on each caller's calls, all its questions come to the places in turn."""
QUIET_ALONE = {**RAISED, "HERMES_CALLER_OPEN_CALLS": "16"}


@dataclass
class Seen:
    """What the quiet caller saw: seconds to its first token, as the worker and as it measures."""

    warm: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    refused: int = 0


def run(rounds: int) -> list[Row]:
    """The rows of this module."""
    rows = []
    for what, environment in (
        ("16 of its calls open", QUIET_ALONE),
        ("as many calls as it likes", RAISED),
    ):
        with tempfile.TemporaryDirectory() as name:
            rows += _measured(Path(name), environment, what, max(LEAST_ROUNDS, rounds))
    return rows


def _measured(folder: Path, environment: dict[str, str], what: str, rounds: int) -> list[Row]:
    scopes = [f"{action}:*" for action in ("ask", "read", "admin")]
    (quiet, own), (loud, other) = (new_token(who, scopes) for who in ("quiet", "flood"))
    (folder / "tokens.yaml").write_text(f"{own}\n{other}\n")
    for number, camera_id in enumerate(CAMERAS):
        film(make_scene("bench", number, FILM_S), folder / f"{camera_id}.mp4")
    given = {"HERMES_TOKENS_FILE": str(folder / "tokens.yaml"), **environment}
    with Pipeline(folder, environment={**os.environ, **given}) as pipeline:
        address = start_services(pipeline, LocalSettings(media_root=folder), lambda text: None)
        with HermesClient(address, token=quiet) as client:
            for camera_id in CAMERAS:
                client.add_camera(camera_id, f"{camera_id}.mp4", pacing="as_fast_as_read")
            wait_for_cameras(client, set(CAMERAS), _seen, pipeline, PATIENCE_S, lambda _: None)
            alone, beside = Seen(), Seen()
            with _flooding(address, loud) as switch:
                for _ in range(rounds):
                    _ask(client, alone)
                    switch(True)
                    _ask(client, beside)
                    switch(False)
    return [
        Row(
            f"p99 of {measure} of a quiet caller beside 500 questions of another with {what},"
            f" {ours / theirs:.2f} times as long (medians {statistics.median(flooded) * 1e3:.0f}"
            f" and {statistics.median(calm) * 1e3:.0f} ms; {beside.refused} of"
            f" {len(beside.first) + beside.refused} refused)",
            ours,
            "the same alone",
            theirs,
        )
        for measure, flooded, calm in (
            ("warm time to the first token", beside.warm, alone.warm),
            ("time to the first token at the client", beside.first, alone.first),
        )
        for ours, theirs in ((_p99(flooded), _p99(calm)),)
    ]


def _seen(camera: Camera) -> bool:
    return camera.source.state == "ended" and camera.memory.state == "serving"


def _p99(times: Sequence[float]) -> float:
    return sorted(times)[max(0, -(-99 * len(times) // 100) - 1)]


def _ask(client: HermesClient, seen: Seen) -> None:
    """Ask some questions, one after another, as a person does who reads the answers."""
    for number in range(ASKED_A_ROUND):
        camera_id = CAMERAS[number % len(CAMERAS)]
        began = time.perf_counter()
        try:
            stream = client.ask(camera_id, QUESTION, max_tokens=8, freshness="cached")
            next(iter(stream))
            first = time.perf_counter() - began
            result = stream.result()
        except Retryable:
            seen.refused += 1
            continue
        seen.first.append(first)
        warm = result.timings.warm_time_to_first_token_s
        if warm is not None:
            seen.warm.append(warm)


@contextmanager
def _flooding(address: str, token: str) -> Iterator[Callable[[bool], None]]:
    """A process that floods. What is yielded switches that on and off."""
    command = [sys.executable, "-m", "benchmarks.flood_gateway", address]
    environment = {**os.environ, "HERMES_TOKEN": token}
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    commands, reports = process.stdin, process.stdout
    assert commands is not None
    assert reports is not None

    def switch(on: bool) -> None:
        commands.write("on\n" if on else "off\n")
        commands.flush()
        reports.readline()  # it is in full flood, or all of it has ended

    try:
        yield switch
    finally:
        process.kill()
        process.wait()


class _Flood:
    """Questions that are always on the way."""

    def __init__(self, client: AsyncHermesClient) -> None:
        self._client = client
        self._tasks: list[asyncio.Task[None]] = []
        self._full = asyncio.Event()

    async def begin(self) -> None:
        """Ask, and return once the first questions are over."""
        self._full.clear()
        self._tasks = [asyncio.create_task(self._ask(number)) for number in range(AT_ONCE)]
        await self._full.wait()

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _ask(self, number: int) -> None:
        camera_id = CAMERAS[number % len(CAMERAS)]
        while True:
            try:
                asked = self._client.ask(camera_id, QUESTION, max_tokens=64, freshness="cached")
                await asked.result()
                self._full.set()
            except Retryable as error:
                await asyncio.sleep(error.retry_after_s)
            except HermesError:
                await asyncio.sleep(1.0)


async def _flood(address: str) -> None:
    async with AsyncHermesClient(address, token=os.environ["HERMES_TOKEN"]) as client:
        flood = _Flood(client)
        while line := await asyncio.to_thread(sys.stdin.readline):
            if line == "on\n":
                await flood.begin()
            else:
                await flood.end()
                await asyncio.sleep(0.5)  # its calls end at the gateway, too
            print("done", flush=True)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(_flood(sys.argv[1]))
