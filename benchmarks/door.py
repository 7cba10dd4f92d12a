"""The HTTP door's share of the time to the first token: the same question over HTTP and gRPC."""

from __future__ import annotations

import http.client
import json
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.gateway import CAMERA, FILM_S, PATIENCE_S
from benchmarks.table import Row
from hermes.client import Camera, HermesClient
from hermes.demo.scenes import make_scene
from services.cli.film import film
from services.cli.http_door import ANY_PORT, start_door
from services.cli.local import LocalSettings, start_services, wait_for_cameras
from services.cli.processes import Pipeline

QUESTION = "What came first?"
LEAST_QUESTIONS = 200


def run(rounds: int) -> list[Row]:
    """The row of this module."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        film(make_scene("bench", 1, FILM_S), folder / "bench.mp4")
        with Pipeline(folder) as pipeline:
            address = start_services(pipeline, LocalSettings(media_root=folder), lambda text: None)
            url = start_door(pipeline, address, ANY_PORT, lambda text: None)
            assert url is not None
            with HermesClient(address) as client:
                client.add_camera(CAMERA, "bench.mp4", pacing="as_fast_as_read")
                try:
                    wait_for_cameras(client, {CAMERA}, _seen, pipeline, PATIENCE_S, lambda _: None)
                    return [_row(client, url.removeprefix("http://"), rounds)]
                finally:
                    client.remove_camera(CAMERA)


def _seen(camera: Camera) -> bool:
    return camera.source.state == "ended" and camera.memory.state == "serving"


def _row(client: HermesClient, door: str, rounds: int) -> Row:
    """Questions in turn, one over HTTP and one over gRPC, each over a connection of its own."""
    connection = http.client.HTTPConnection(door)
    over_http, over_grpc = [], []
    for number in range(max(LEAST_QUESTIONS, 20 * rounds) + 10):
        pair = _first_over_http(connection), _first_over_grpc(client)
        if number >= 10:  # the first ones warm everything up
            over_http.append(pair[0])
            over_grpc.append(pair[1])
    connection.close()
    added = statistics.median(h - g for h, g in zip(over_http, over_grpc, strict=True))
    return Row(
        f"the first token of a stream through the HTTP door, which adds {1e3 * added:.2f} ms",
        statistics.median(over_http),
        "the same over gRPC",
        statistics.median(over_grpc),
    )


def _first_over_grpc(client: HermesClient) -> float:
    began = time.perf_counter()
    with client.ask(CAMERA, QUESTION, max_tokens=1, freshness="cached") as stream:
        next(stream)
        taken = time.perf_counter() - began
        for _ in stream:
            pass
    return taken


def _first_over_http(connection: http.client.HTTPConnection) -> float:
    camera = {"type": "video_url", "video_url": {"url": f"camera://{CAMERA}"}}
    asked = {
        "model": "hermes",
        "stream": True,
        "max_tokens": 1,
        "messages": [{"role": "user", "content": [{"type": "text", "text": QUESTION}, camera]}],
        "hermes": {"freshness": "cached"},
    }
    body = json.dumps(asked)
    began = time.perf_counter()
    connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    while True:
        line = response.readline()
        if b'"content":"' in line and b'"content":""' not in line:
            break
        if not line:
            raise RuntimeError(f"no token: {response.status}")
    taken = time.perf_counter() - began
    response.read()
    return taken
