"""A real run of a watch, for pictures: two cameras, a night over each, and what came of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from hermes.client import Event, FollowedEvent, HermesClient
from hermes.demo.scenes import TRAINED, make_scene
from services.cli.film import film
from services.cli.frame_size import DEMO, frame_size_of
from services.cli.local import LocalSettings, start_services
from services.cli.processes import Pipeline
from services.cli.redis_server import free_port

NIGHTS = {"porch": (40.0, 64.0), "yard": (52.0, 84.0)}
"""By camera, in seconds of its film."""
FILM_S = 96.0
WATCH = (
    "nightfall",
    "Is it day or night?",
    *("--label", "outdoors", "--choices", "day,night", "--equals", "night"),
    *("--for", "3s", "--severity", "info", "--heartbeat", "1s"),
)
COLUMNS = 118

Points = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class WatchedRun:
    """What came of it. Times are in seconds since 1970.

    `began`: by camera, when its film began. `series`: by name of a metric and camera.
    `terminal`: commands, and what each of them showed.
    """

    began: dict[str, float]
    messages: list[FollowedEvent]
    events: list[Event]
    series: dict[tuple[str, str], Points]
    terminal: list[tuple[str, str]]


def watched_run() -> WatchedRun:
    """Run it: a minute and a half. Raises `FileNotFoundError` without a Prometheus."""
    with tempfile.TemporaryDirectory(prefix="hermes-pictures-") as name:
        folder = Path(name)
        (folder / "media").mkdir()
        for camera, (dusk, dawn) in NIGHTS.items():
            scene = make_scene(camera, 4, FILM_S, actors=2, looks=TRAINED)
            night = replace(scene, night_from=dusk, night_until=dawn)
            film(night, folder / "media" / f"{camera}.mp4")
        with Pipeline(folder, {}) as pipeline:
            address = start_services(pipeline, _settings(folder), lambda text: None)
            worker = next(child for child in pipeline.children if child.name == "worker")
            announced = worker.announced()
            assert announced is not None
            with (
                _prometheus(folder, int(announced["metrics_port"])) as prometheus,
                HermesClient(address) as client,
            ):
                return _run(client, address, prometheus)


def _run(client: HermesClient, address: str, prometheus: str) -> WatchedRun:
    began = {}
    for camera in NIGHTS:
        client.add_camera(
            camera, f"{camera}.mp4", pacing="live", chunk_max_frames=1, labels={"outdoors": "yes"}
        )
    for camera in NIGHTS:
        while (seen := client.get_camera(camera).memory.coverage).frames_seen == 0:
            time.sleep(0.1)
        assert seen.span is not None
        began[camera] = seen.span.end.timestamp() - (seen.media_end_s or 0.0)
    started = min(began.values())
    terminal = [_shown(address, "watch", "add", *WATCH, "--try")]
    _shown(address, "watch", "add", *WATCH)
    while len(client.events()) < len(NIGHTS):
        time.sleep(0.2)
    terminal.append(_shown(address, "watch", "try", "nightfall"))
    _sleep_until(max(began.values()) + FILM_S + 2)
    terminal.append(_shown(address, "events"))
    with client.follow_events(after="0") as stream:
        events = client.events()
        messages = []
        for message in stream:
            messages.append(message)
            if sum(one.event.type == "closed" for one in messages) >= len(events):
                break
    found = [client.get_event(one.id) for one in events]
    series = {}
    end = time.time()
    for metric in ("hermes_watch_choice", "hermes_watch_open"):
        chosen = '{choice="night"}' if metric == "hermes_watch_choice" else ""
        for camera, points in _between(prometheus, metric + chosen, started, end).items():
            series[metric, camera] = points
    return WatchedRun(began, messages, found, series, terminal)


def _settings(folder: Path) -> LocalSettings:
    return LocalSettings(
        model=DEMO,
        device="cpu",
        media_root=folder / "media",
        frame_size=frame_size_of(DEMO),
        frames_per_second=2.0,
    )


def _sleep_until(at: float) -> None:
    time.sleep(max(0.0, at - time.time()))


def _shown(address: str, *arguments: str) -> tuple[str, str]:
    """What a terminal shows of a command."""
    done = subprocess.run(
        [sys.executable, "-m", "services.cli.main", *arguments],
        env={
            **os.environ,
            "HERMES_GATEWAY": address,
            "FORCE_COLOR": "1",
            "TTY_INTERACTIVE": "0",
            "COLUMNS": str(COLUMNS),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    quoted = (f'"{one}"' if " " in one else one for one in arguments)
    return " ".join(("hermes", *quoted)), done.stdout


@contextmanager
def _prometheus(folder: Path, port: int) -> Iterator[str]:
    """A Prometheus that scrapes the worker once a second; its address."""
    program = shutil.which("prometheus")
    if program is None:
        raise FileNotFoundError("no prometheus on the path (Debian: apt-get install prometheus)")
    own = free_port()
    config = folder / "prometheus.yml"
    job = {
        "job_name": "hermes-worker",
        "scrape_interval": "1s",
        "static_configs": [{"targets": [f"127.0.0.1:{port}"]}],
    }
    config.write_text(yaml.safe_dump({"scrape_configs": [job]}))
    process = subprocess.Popen(
        [
            program,
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'series'}",
            f"--web.listen-address=127.0.0.1:{own}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{own}"
    finally:
        process.terminate()
        process.wait()


def _between(prometheus: str, expr: str, start: float, end: float) -> dict[str, Points]:
    """The points of a metric, second by second, by camera."""
    query = urllib.parse.urlencode({"query": expr, "start": start, "end": end, "step": 1})
    with urllib.request.urlopen(f"{prometheus}/api/v1/query_range?{query}", timeout=20) as answer:
        found = json.load(answer)["data"]["result"]
    return {
        one["metric"]["camera"]: [(float(at), float(value)) for at, value in one["values"]]
        for one in found
    }
