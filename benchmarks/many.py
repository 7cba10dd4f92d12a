"""Many cameras asked at once against one: real processes, from the client's question to the end."""

from __future__ import annotations

import tempfile
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
    """The row of this module."""
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
                return [_row(client, ids, rounds)]


def _seen(camera: Camera) -> bool:
    return camera.source.state == "ended" and camera.memory.state == "serving"


def _row(client: HermesClient, ids: list[str], rounds: int) -> Row:
    def ask(cameras: list[str]) -> None:
        for _ in range(CALLS_A_ROUND):
            result = client.ask_many(QUESTION, cameras=cameras).result()
            if len(result.answers) != len(cameras):
                raise RuntimeError(f"not every camera answered: {dict(result.errors)}")

    many, one = interleaved(lambda: ask(ids), lambda: ask(ids[:1]), max(LEAST_ROUNDS, rounds))
    return Row(
        f"{CAMERAS} cameras asked at once, demo model, which takes {many / one:.2f} times as long",
        many / CALLS_A_ROUND,
        "one camera asked",
        one / CALLS_A_ROUND,
    )
