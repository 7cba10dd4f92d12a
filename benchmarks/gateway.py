"""The gateway's share of an answer's latency: real processes, with and without it."""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast

import grpc

from benchmarks.table import Row, interleaved
from hermes.client import Camera, HermesClient
from hermes.demo.scenes import make_scene
from hermes.v1.query_pb2 import FRESHNESS_CACHED, QueryServiceAskRequest, Question
from hermes.v1.query_pb2_grpc import QueryServiceStub
from hermes.v1.worker_pb2 import WorkerServiceAskRequest
from hermes.v1.worker_pb2_grpc import WorkerServiceStub
from services.cli.film import film
from services.cli.local import LocalSettings, start_services, wait_for_cameras
from services.cli.processes import Pipeline, wait_ready

CAMERA = "bench"
CALLS_A_ROUND = 20
FILM_S = 4.0
PATIENCE_S = 60.0


def run(rounds: int) -> list[Row]:
    """The row of this module."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        film(make_scene("bench", 1, FILM_S), folder / "bench.mp4")
        settings = LocalSettings(media_root=folder)
        with Pipeline(folder) as pipeline:
            address = start_services(pipeline, settings, lambda text: None)
            worker = next(child for child in pipeline.children if child.name == "worker")
            with HermesClient(address) as client:
                client.add_camera(CAMERA, "bench.mp4", pacing="as_fast_as_read")
                try:
                    wait_for_cameras(client, {CAMERA}, _seen, pipeline, PATIENCE_S, lambda _: None)
                    return [_row(address, str(wait_ready(worker)["address"]), rounds)]
                finally:
                    client.remove_camera(CAMERA)


def _seen(camera: Camera) -> bool:
    return camera.source.state == "ended" and camera.memory.state == "serving"


def _row(gateway: str, worker: str, rounds: int) -> Row:
    question = Question(
        camera_id=CAMERA, text="What came first?", max_tokens=1, freshness=FRESHNESS_CACHED
    )
    with grpc.insecure_channel(gateway) as front, grpc.insecure_channel(worker) as back:
        through = cast(Any, QueryServiceStub)(front)
        directly = cast(Any, WorkerServiceStub)(back)

        def calls(one: Callable[[], Iterable[object]]) -> Callable[[], None]:
            def several() -> None:
                for _ in range(CALLS_A_ROUND):
                    deque(one(), maxlen=0)

            return several

        with_it, without = interleaved(
            calls(lambda: through.Ask(QueryServiceAskRequest(question=question))),
            calls(lambda: directly.Ask(WorkerServiceAskRequest(question=question))),
            max(10, rounds),
        )
    added = (with_it - without) / CALLS_A_ROUND
    return Row(
        f"an answer of one token, through the gateway, which adds {1e3 * added:.2f} ms",
        with_it / CALLS_A_ROUND,
        "asked of the worker itself",
        without / CALLS_A_ROUND,
    )
