"""Many cameras asked at once against one: real processes, from the client's question to the end."""

from __future__ import annotations

import os
import statistics
import tempfile
from contextlib import suppress
from pathlib import Path

from benchmarks.table import Row, interleaved
from hermes.client import Camera, HermesClient
from hermes.demo.scenes import make_scene
from services.cli.film import film
from services.cli.local import LocalSettings, start_services, wait_for_cameras
from services.cli.processes import Pipeline

CAMERAS = 16
CALLS_A_ROUND = 3
LEAST_ROUNDS = 15
FILM_S = 30.0
PATIENCE_S = 180.0
QUESTION = "What came first?"


def run(rounds: int) -> list[Row]:
    """The rows of this module."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ids = [f"bench-{number}" for number in range(CAMERAS)]
        for number, camera_id in enumerate(ids):
            film(make_scene("bench", number, FILM_S), folder / f"{camera_id}.mp4")
        with Pipeline(folder) as pipeline:
            settings = LocalSettings(media_root=folder)
            address = start_services(pipeline, settings, lambda text: None)
            with HermesClient(address) as client:
                for camera_id in ids:
                    client.add_camera(camera_id, f"{camera_id}.mp4", pacing="as_fast_as_read")
                wait_for_cameras(client, set(ids), _seen, pipeline, PATIENCE_S, lambda _: None)
                return _rows(client, ids, rounds, _processes(pipeline))


def _seen(camera: Camera) -> bool:
    return camera.source.state == "ended" and camera.memory.state == "serving"


def _processes(pipeline: Pipeline) -> list[int]:
    """The ids of this process, the services and Redis, if that is ours."""
    server = None if pipeline.redis is None else pipeline.redis.process
    processes = [child.process for child in pipeline.children] + ([server] if server else [])
    return [os.getpid(), *(process.pid for process in processes)]


def _cpu_s(processes: list[int]) -> float:
    """Seconds of CPU that all threads of these processes have taken."""
    spent = 0
    for path in (path for pid in processes for path in Path(f"/proc/{pid}/task").iterdir()):
        with suppress(OSError):  # the thread has just ended
            spent += int((path / "schedstat").read_text().split()[0])
    return spent / 1e9


def _rows(client: HermesClient, ids: list[str], rounds: int, processes: list[int]) -> list[Row]:
    spent: dict[int, list[float]] = {CAMERAS: [], 1: []}

    def ask(cameras: list[str]) -> None:
        before = _cpu_s(processes)
        for _ in range(CALLS_A_ROUND):
            result = client.ask_many(QUESTION, cameras=cameras).result()
            if len(result.answers) != len(cameras):
                raise RuntimeError(f"not every camera answered: {dict(result.errors)}")
        spent[len(cameras)].append(_cpu_s(processes) - before)

    times = interleaved(lambda: ask(ids), lambda: ask(ids[:1]), max(LEAST_ROUNDS, rounds))
    cpu = statistics.median(spent[CAMERAS]), statistics.median(spent[1])
    return [
        Row(
            f"{CAMERAS} cameras asked at once, demo model{of}, which takes"
            f" {many / one:.2f} times as long",
            many / CALLS_A_ROUND,
            "one camera asked",
            one / CALLS_A_ROUND,
        )
        for of, (many, one) in (("", times), (", CPU time of all processes", cpu))
    ]
