"""Questions while cameras send frames: first tokens and frame lag, up to overload."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from benchmarks.device.report import Cell, Report
from benchmarks.device.subject import EVERY, Subject
from benchmarks.listening import Sink, Watch, percentile
from hermes.engine import Batch, CameraHandle, Engine, EngineConfig, FrameInput
from hermes.errors import HermesError, Overloaded
from hermes.memory import FrameStamp, MemoryState
from hermes.question import Question
from hermes.vlm import VideoMemory

LAG_BUDGET_S = 4.0
_ASKERS = 2
_ENOUGH = 20
"""The fewest frames from which a share is computed."""

_PAUSE_S = 0.02
_ANSWER_TOKENS = 8
_QUESTION = "What is happening now?"


class LoadedEngine(Engine):
    """An engine whose memories are full at the start, a quarter of them in each phase."""

    def __init__(self, of: Subject, states: Sequence[MemoryState], cameras: int) -> None:
        """It is warmed up: what is measured finds all passes recorded. `cameras`: at most."""
        self._states: itertools.cycle[MemoryState] | None = None
        self.watch = Watch()
        config = EngineConfig(
            budget_tokens=of.budget, compress_every_frames=EVERY, max_cameras=cameras
        )
        super().__init__(of.model, config, self.watch)
        self.warm_up()
        self._states = itertools.cycle(states)

    def new_memory(self) -> VideoMemory:
        """A full one, once the engine is made."""
        memory = super().new_memory()
        if self._states is not None:
            memory.restore(next(self._states))
        return memory


@dataclass(frozen=True, slots=True)
class Seen:
    """What one number of cameras gave. Times in seconds; `refused`: shares of frames, questions;
    `offered`: frames that were sent.
    """

    warm: list[float]
    fresh: list[float]
    lags: list[float]
    frames_s: float
    refused: tuple[float, float]
    retries: int
    offered: int

    @property
    def saturated(self) -> bool:
        """Whether frames arrived faster than the engine took them."""
        if self.offered >= _ENOUGH and len(self.lags) < 0.8 * self.offered:
            return True
        lag = percentile(self.lags, 95)
        return self.refused[0] > 0.01 or lag is None or lag > LAG_BUDGET_S


def against_cameras(
    report: Report,
    of: Subject,
    engine: LoadedEngine,
    cameras: Sequence[int],
    fps: float,
    span_s: float,
) -> None:
    """TTFT and lag by the number of cameras that send `fps`, up to the first overload."""
    table = report.table(
        f"{of.name}: questions while every camera sends {fps:g} frames a second",
        (
            "cameras",
            "frames/s taken in",
            "questions",
            "TTFT p50, ms",
            "p95, ms",
            "p99, ms",
            "fresh TTFT p50, ms",
            "frame lag p95, s",
            "frames refused, %",
        ),
        f"{_ASKERS} askers, one question after the other, each of a camera by chance; answers"
        f" of {_ANSWER_TOKENS} tokens. TTFT is that of a memory as it is; fresh: all frames"
        f" that were captured before the question are in memory first. {span_s:g} s each.",
    )
    load = Load(engine)
    try:
        for count in sorted(cameras):
            if count > engine.capacity:
                table.note(f"{engine.capacity} memories fit this device.")
                break
            if not table.attempt(count, lambda: load.row(count, fps, span_s)):  # noqa: B023
                break  # the engine may not be what it was
            seen = load.seen
            if seen.retries:
                table.note(f"{count} cameras: {seen.retries} passes were tried again.")
            if seen.saturated:
                table.note(f"{count} cameras at {fps:g} frames a second are too many.")
                break
    finally:
        engine.stop()


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1e3 * seconds


class Load:
    """Cameras of one engine, more of them with each row. `seen`: what the last row gave."""

    def __init__(self, engine: LoadedEngine) -> None:
        self._engine = engine
        self._cameras: list[CameraHandle] = []
        self._cursors: dict[CameraHandle, int] = {}
        self.seen = Seen([], [], [], 0.0, (0.0, 0.0), 0, 0)
        engine.start()

    def row(self, cameras: int, fps: float, span_s: float) -> Sequence[Cell]:
        """The cells of one number of cameras."""
        while len(self._cameras) < cameras:
            camera = self._engine.open(f"camera-{len(self._cameras)}")
            self._cameras.append(camera)
            self._cursors[camera] = 0
        self._cameras[-1].inspect().result()  # all memories are there
        seen = self.seen = self._under_load(fps, span_s)
        return (
            seen.frames_s,
            len(seen.warm),
            *(_ms(percentile(seen.warm, percent)) for percent in (50, 95, 99)),
            _ms(percentile(seen.fresh, 50)),
            percentile(seen.lags, 95),
            100 * seen.refused[0],
        )

    def _under_load(self, fps: float, span_s: float) -> Seen:
        """For `span_s`, after a fifth of that to settle."""
        watch, stop = self._engine.watch, threading.Event()
        source = _Source(self._engine, self._cameras, self._cursors, fps, stop)
        askers = [_Asker(self._cameras, source, stop, seed) for seed in range(_ASKERS)]
        counting: list[Watch | _Source | _Asker] = [watch, source, *askers]
        retries = watch.retries
        threads = [threading.Thread(target=source.run)]
        threads += [threading.Thread(target=asker.run) for asker in askers]
        try:
            for thread in threads:
                thread.start()
            stop.wait(span_s / 5)
            for part in counting:
                part.begin()
            began = time.monotonic()
            stop.wait(span_s)
            took = time.monotonic() - began
            lags = list(watch.lags)
            warm = [taken for asker in askers for taken in asker.warm]
            fresh = [taken for asker in askers for taken in asker.fresh]
        finally:
            stop.set()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
        if watch.failed:
            raise watch.failed[0]
        asked = len(warm) + len(fresh)
        unanswered = sum(asker.refused for asker in askers)
        return Seen(
            warm,
            fresh,
            lags,
            len(lags) / took,
            (
                source.refused / max(1, source.offered),
                unanswered / max(1, unanswered + asked),
            ),
            watch.retries - retries,
            source.offered,
        )


class _Source:
    """Sends every camera's frames on time, the cameras evenly spread."""

    def __init__(
        self,
        engine: Engine,
        cameras: Sequence[CameraHandle],
        cursors: dict[CameraHandle, int],
        fps: float,
        stop: threading.Event,
    ) -> None:
        """`cursors`: how far each camera was sent before; they go on from there."""
        self._engine, self._cameras, self._fps, self._stop = engine, cameras, fps, stop
        self._picture = torch.full((3, *engine.model.frame_size), 127, dtype=torch.uint8)
        self.cursors = cursors
        self.begin()

    def begin(self) -> None:
        self.offered = self.refused = 0

    def run(self) -> None:
        step = 1 / (self._fps * len(self._cameras))
        due = time.monotonic()
        for camera in itertools.cycle(self._cameras):
            due += step
            if self._stop.wait(max(0.0, due - time.monotonic())):
                return
            self._offer(camera)

    def _offer(self, camera: CameraHandle) -> None:
        self.offered += 1
        captured = int(time.time() * 1000)
        frames = [
            FrameInput(self._engine.prepare(self._picture), FrameStamp(captured))
            for _ in range(self._engine.model.pictures_per_frame)
        ]
        try:
            camera.offer(Batch(frames, str(self.cursors[camera] + 1)))
        except Overloaded:
            self.refused += 1
        else:
            self.cursors[camera] += 1


class _Asker:
    """Asks one question after another; every fourth waits for the newest frame."""

    def __init__(
        self,
        cameras: Sequence[CameraHandle],
        source: _Source,
        stop: threading.Event,
        seed: int,
    ) -> None:
        self._cameras, self._source, self._stop = cameras, source, stop
        self._rng = random.Random(seed)
        self.begin()

    def begin(self) -> None:
        self.warm: list[float] = []
        self.fresh: list[float] = []
        self.refused = 0

    def run(self) -> None:
        for number in itertools.count():
            if self._stop.wait(self._rng.expovariate(1 / _PAUSE_S)):
                return
            self._ask(self._rng.choice(self._cameras), fresh=number % 4 == 3)

    def _ask(self, camera: CameraHandle, *, fresh: bool) -> None:
        newest = self._source.cursors[camera]
        sink = Sink()
        ready = (lambda cursor: int(cursor or 0) >= newest) if fresh else None
        try:
            camera.ask(Question(_QUESTION, _ANSWER_TOKENS), sink, ready=ready)
        except HermesError:
            self.refused += 1
            return
        sink.ended.wait()
        if sink.result is None:
            self.refused += 1
        elif fresh:
            self.fresh.append(sink.result.fresh_ttft_s)
        else:
            self.warm.append(sink.result.warm_ttft_s)
