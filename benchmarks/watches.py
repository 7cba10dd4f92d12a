"""Questions while watches are asked: many cameras of one device, with watches and without."""

from __future__ import annotations

import math
import queue
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from benchmarks.listening import Sink, Watch, percentile
from benchmarks.table import Row
from hermes.demo.drawing import draw
from hermes.demo.limits import LIMITS
from hermes.demo.scenes import make_scene
from hermes.engine import Batch, CameraHandle, Engine, EngineConfig, FrameInput
from hermes.memory import FrameStamp
from hermes.question import Question
from hermes.v1 import watch_pb2
from hermes.v1.camera_pb2 import Camera
from hermes.v1.event_pb2 import Event
from hermes.vlm import load
from services.common.frame_log import LogId
from services.common.leases import Fence, Lease
from services.common.metrics import Metrics
from services.hermes_worker.tenure import Tenure
from services.hermes_worker.watches.conditions import Reading
from services.hermes_worker.watches.cooldown import Claim
from services.hermes_worker.watches.series import Series
from services.hermes_worker.watches.watched_camera import WatchedCamera

CAMERAS = (16, 64)
WATCHES = {
    "night": ("Is it day or night?", ("night", "day")),
    "circle": ("Did a red circle appear?", ("yes", "no")),
    "count": ("How many objects are there now?", ("three", "two", "one")),
    "shape": ("What shape is the red object?", ("circle", "square", "triangle", "star")),
}
FILM_S = 30
PERIOD_S = 10.0
ROUND_S = 0.05
ASK_EVERY_S = 0.15


def run(rounds: int) -> list[Row]:
    """The rows of this module."""
    torch.set_num_threads(1)
    return [row for cameras in CAMERAS for row in _measured(cameras, rounds)]


def _measured(cameras: int, rounds: int) -> list[Row]:
    limits: dict[str, Any] = dict(LIMITS)
    engine = Engine(
        load("demo"),
        EngineConfig(max_cameras=cameras, ingest="auto", **limits),
        Watch(),
    )
    engine.warm_up()
    engine.start()
    try:
        with _fed(engine, cameras) as tenures:
            return _rows(tenures, rounds)
    finally:
        engine.stop()


def _rows(tenures: Sequence[Tenure], rounds: int) -> list[Row]:
    handles = [tenure.handle for tenure in tenures]
    series = _Noted(Metrics())
    without: list[float] = []
    with_them: list[float] = []
    watched_s = 0.0
    _ask(handles, PERIOD_S)  # memories fill, and everything warms up
    for _ in range(rounds):
        without += _ask(handles, PERIOD_S)
        with _watching(tenures, series):
            began = time.monotonic()
            with_them += _ask(handles, PERIOD_S)
            watched_s += time.monotonic() - began
    lag, rate = percentile(series.lags, 95), len(series.lags) / watched_s
    skipped = series.skips / max(1, series.skips + len(series.lags))
    name = (
        f"{len(tenures)} cameras at 1 frame/s x {len(WATCHES)} watches, demo model: {rate:.0f}"
        f" evaluations/s, {skipped:.0%} skipped, lag p95 {lag or math.nan:.2f} s"
    )
    return [
        Row(
            f"warm TTFT, p99, {name}",
            percentile(with_them, 99) or math.nan,
            "p99 without watches",
            percentile(without, 99) or math.nan,
        ),
        Row(
            "the same, median",
            statistics.median(with_them),
            "median without watches",
            statistics.median(without),
        ),
    ]


@contextmanager
def _fed(engine: Engine, cameras: int) -> Iterator[list[Tenure]]:
    """Cameras that send a frame a second, one after the other."""
    films = [_film(engine, seed) for seed in range(8)]
    tenures = [_tenure(engine, f"camera-{number}") for number in range(cameras)]
    stop = threading.Event()

    def feed() -> None:
        began, count = time.monotonic(), 0
        while not stop.is_set():
            number, at = count % cameras, count // cameras
            handle, picture = tenures[number].handle, films[number % 8][(at + number) % FILM_S]
            if handle.room():
                now_ms = round(time.time() * 1000)
                frame = FrameInput(picture, FrameStamp(now_ms))
                handle.offer(Batch([frame], f"{now_ms}-0"))
            count += 1
            stop.wait(max(0.0, began + count / cameras - time.monotonic()))

    feeding = threading.Thread(target=feed)
    feeding.start()
    try:
        yield tenures
    finally:
        stop.set()
        feeding.join()


def _film(engine: Engine, seed: int) -> list[torch.Tensor]:
    scene = make_scene("watches", seed, float(FILM_S))
    pictures = (np.asarray(draw(scene, float(second)).convert("RGB")) for second in range(FILM_S))
    return [engine.prepare(torch.from_numpy(one.copy()).permute(2, 0, 1)) for one in pictures]


def _tenure(engine: Engine, camera_id: str) -> Tenure:
    lease = Lease(camera_id, "worker", Fence("bench", 1))
    tenure = Tenure(Camera(id=camera_id), engine.open(camera_id), lease)
    tenure.aim(LogId(0, 0), lease)
    tenure.progress()
    return tenure


@contextmanager
def _watching(tenures: Sequence[Tenure], series: Series) -> Iterator[None]:
    """The rounds of a worker's watches, without Redis."""
    work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
    watches = {watch_id: _watch(watch_id) for watch_id in WATCHES}
    cameras = [
        WatchedCamera(
            tenure,
            Lease(tenure.camera.id, "worker", Fence("bench", 1)),
            _NoState(),
            _NoCooldowns(),
            series,
            work.put,
            model="demo",
            sentence="",
        )
        for tenure in tenures
    ]
    stop = threading.Event()

    def rounds() -> None:
        while not stop.wait(ROUND_S):
            while not work.empty():
                work.get()()
            for camera in cameras:
                camera.round(camera.tenure.camera, watches)

    watching = threading.Thread(target=rounds)
    watching.start()
    try:
        yield
    finally:
        stop.set()
        watching.join()
        for camera in cameras:
            camera.stop()


def _watch(watch_id: str) -> watch_pb2.Watch:
    text, choices = WATCHES[watch_id]
    watch = watch_pb2.Watch(id=watch_id, text=text)
    watch.choices.texts.extend(choices)
    watch.trigger.equals.choices.append(choices[0])
    return watch


def _ask(handles: Sequence[CameraHandle], seconds: float) -> list[float]:
    """Warm TTFT of questions that come regularly, in seconds."""
    taken: list[float] = []
    until, count = time.monotonic() + seconds, 0
    while (now := time.monotonic()) < until:
        sink = Sink()
        handles[count % len(handles)].ask(Question("What came in last?", max_tokens=2), sink)
        sink.ended.wait()
        if sink.result is None:
            raise RuntimeError("a question failed")
        taken.append(sink.result.warm_ttft_s)
        count += 1
        time.sleep(max(0.0, ASK_EVERY_S - (time.monotonic() - now)))
    return taken


@dataclass
class _Noted(Series):
    """Notes the lags of evaluations, and counts what was skipped."""

    metrics: Metrics
    lags: list[float] = field(default_factory=list)
    skips: int = 0

    def __post_init__(self) -> None:
        super().__init__(self.metrics)

    def read(self, watch: watch_pb2.Watch, camera_id: str, reading: Reading, lag_s: float) -> None:
        super().read(watch, camera_id, reading, lag_s)
        self.lags.append(lag_s)

    def skipped(self, watch_id: str) -> None:
        super().skipped(watch_id)
        self.skips += 1


class _NoState:
    """A `WatchState` that keeps nothing."""

    def read(self) -> dict[str, bytes]:
        return {}

    def write(self, states: Mapping[str, bytes | None], events: Sequence[Event] = ()) -> None: ...

    def publish(self) -> int:
        return 0


class _NoCooldowns:
    def claim(self, claim: Claim, cooldown_ms: int) -> bool:
        return True
