"""What a quiet caller waits for while another floods the gateway: real processes, wall time.

The client that floods is a process of its own with the lowest priority, since it takes time of the
same cores as the services.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from benchmarks.listening import percentile
from benchmarks.table import Row
from hermes.client import AsyncHermesClient, Camera, HermesClient
from hermes.demo.scenes import make_scene
from hermes.errors import HermesError
from services.cli.film import film
from services.cli.local import LocalSettings, start_services, wait_for_cameras
from services.cli.processes import Pipeline
from services.query_gateway.access.token_file import new_token

CAMERAS = [f"bench-{number}" for number in range(4)]
FILM_S = 8.0
PATIENCE_S = 120.0
QUESTIONS = 20
"""Of the quiet caller in each round, beside each flood."""
SETTLE_S = 1.0
QUESTION = "What came first?"
ROOMY = {"HERMES_CALLER_CALLS_PER_SECOND": "1000000", "HERMES_CALLER_OPEN_CALLS": "1000"}
"""So that nothing but the places bounds the flood: by default it gets 10 calls a second."""


class Flood(NamedTuple):
    """`open`: calls that it has open, each made again as soon as it ends."""

    method: str
    open: int
    what: str


FLOODS = [
    Flood("ask", 16, "16 calls of another, the most that a caller has by default"),
    Flood("ask", 44, "44 calls of another, nearly as many as one caller has places"),
    Flood("ask", 64, "64 calls of another, who makes each refused call again at once"),
    Flood("ask_many", 10, f"10 calls of another that ask {len(CAMERAS)} cameras at once"),
    Flood("unknown", 64, "64 callers with a bad token, which call again at once"),
]


def run(rounds: int) -> list[Row]:
    """The rows of this module."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, camera_id in enumerate(CAMERAS):
            film(make_scene("bench", number, FILM_S), folder / f"{camera_id}.mp4")
        made = {who: new_token(who, ["ask:*", "read:*", "admin:*"]) for who in ("quiet", "flood")}
        tokens = folder / "tokens.yaml"
        tokens.write_text("\n".join(line for _, line in made.values()))
        with Pipeline(folder) as pipeline:
            pipeline.environment = {"HERMES_TOKENS_FILE": str(tokens), **ROOMY}
            settings = LocalSettings(media_root=folder)
            address = start_services(pipeline, settings, lambda text: None)
            with HermesClient(address, token=made["quiet"][0]) as client:
                for camera_id in CAMERAS:
                    client.add_camera(camera_id, f"{camera_id}.mp4", pacing="as_fast_as_read")
                wait_for_cameras(client, set(CAMERAS), _seen, pipeline, PATIENCE_S, lambda _: None)
                _first_tokens(client)  # warm-up
                return _rows(client, address, made["flood"][0], rounds)


def _seen(camera: Camera) -> bool:
    return camera.source.state == "ended" and camera.memory.state == "serving"


def _rows(client: HermesClient, address: str, token: str, rounds: int) -> list[Row]:
    alone: list[float] = []
    beside: dict[Flood, list[float]] = {flood: [] for flood in FLOODS}
    for _ in range(rounds):
        for flood, times in beside.items():
            alone += _first_tokens(client)
            with _flooding(flood, address, token):
                times += _first_tokens(client)
    rows = []
    for flood, times in beside.items():
        for which, percent in (("median", 50.0), ("p99", 99.0)):
            ours, calm = percentile(times, percent), percentile(alone, percent)
            assert ours is not None
            assert calm is not None
            what = f"{which} TTFT of one caller beside {flood.what}: {ours / calm:.2f} times"
            rows.append(Row(what, ours, "without it", calm))
    return rows


def _first_tokens(client: HermesClient) -> list[float]:
    times = []
    for number in range(QUESTIONS):
        began = time.perf_counter()
        camera_id = CAMERAS[number % len(CAMERAS)]
        with client.ask(camera_id, QUESTION, max_tokens=1, freshness="cached") as stream:
            next(stream)
            times.append(time.perf_counter() - began)
            for _ in stream:
                pass
    return times


@contextmanager
def _flooding(flood: Flood, address: str, token: str) -> Iterator[None]:
    known = "bad" if flood.method == "unknown" else token
    environment = {**os.environ, "HERMES_TOKEN": known}
    program = [sys.executable, "-m", "benchmarks.gateway_flood"]
    command = [*program, flood.method, str(flood.open), address]
    client = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
    try:
        assert client.stdout is not None
        client.stdout.readline()  # it floods
        time.sleep(SETTLE_S)
        yield
    finally:
        client.kill()
        client.communicate()
        time.sleep(SETTLE_S)  # the services end its calls


async def _flood(method: str, calls: int, address: str) -> None:
    """Have so many calls open, each made again as soon as it ends."""
    async with AsyncHermesClient(address, token=os.environ["HERMES_TOKEN"]) as client:

        async def ask() -> None:
            async for _ in client.ask(CAMERAS[0], QUESTION, max_tokens=32, freshness="cached"):
                pass

        async def ask_many() -> None:
            async for _ in client.ask_many(
                QUESTION, cameras=CAMERAS, max_tokens=32, freshness="cached"
            ):
                pass

        one = ask_many if method == "ask_many" else ask
        print("flooding", flush=True)
        await asyncio.gather(*(_again(one) for _ in range(calls)))


async def _again(call: Callable[[], Awaitable[None]]) -> None:
    while True:
        with suppress(HermesError):
            await call()
        await asyncio.sleep(0)


if __name__ == "__main__":
    os.nice(19)
    asyncio.run(_flood(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
