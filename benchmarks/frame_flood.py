"""What other cameras wait for while one sends as many frames as it can, on one device.

Times are CPU time of the device's thread: of a frame, from the moment it is offered until it is
in memory; of a question, until its first token.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from benchmarks.flood import DeviceClock
from benchmarks.listening import Sink, Watch, percentile
from benchmarks.table import Row
from hermes.demo.checkpoint import WEIGHTS
from hermes.engine import Batch, CameraHandle, Engine, EngineConfig, FrameInput
from hermes.memory import FrameStamp
from hermes.question import Question
from hermes.vlm import VideoModel, load

CAMERAS = 8
BUDGET_FRAMES = 8
TAKEN = 96
"""Frames, and questions, of the other cameras in each round, one after the other."""
QUESTION = Question("What is there now?", max_tokens=2)
MOST_PAUSE_S = 0.02
CLOCK = itertools.count(1)


class Noted(Watch):
    """Notes when the frame of each camera came to be in memory."""

    def __init__(self, clock: DeviceClock) -> None:
        super().__init__()
        self._clock = clock
        self.flooded = 0
        self.at = 0.0
        self.came = threading.Event()

    def frame_in_memory(self, camera_id: str, lag_s: float | None) -> None:
        if camera_id == "flood":
            self.flooded += 1
        else:
            self.at = self._clock()
            self.came.set()


class Flooding:
    def __init__(self, model: VideoModel, pending: int = 64) -> None:
        self.clock = DeviceClock()
        self.noted = Noted(self.clock)
        config = EngineConfig(
            budget_tokens=BUDGET_FRAMES * model.layout.tokens,
            max_pending_frames=pending,
            max_wait_s=1e9,
            max_question_tokens=64,
            max_answer_tokens=64,
            compress_every_frames=8,
        )
        self.engine = Engine(model, config, self.noted, clock=self.clock)
        self.engine.start(self.clock.beat)
        self.flood = self.engine.open("flood")
        self.others = [self.engine.open(f"camera-{n}") for n in range(CAMERAS - 1)]
        self.pictures = torch.randint(0, 256, (16, 3, *model.frame_size), dtype=torch.uint8)

    def offer(self, camera: CameraHandle) -> None:
        number = next(CLOCK)
        frame = FrameInput(self.pictures[number % 16], FrameStamp(number))
        camera.offer(Batch([frame], str(number)))

    def frame(self, camera: CameraHandle) -> float:
        self.noted.came.clear()
        began = self.clock()
        self.offer(camera)
        self.noted.came.wait()
        return self.noted.at - began

    def ask(self, camera: CameraHandle) -> float:
        sink = Sink()
        camera.ask(QUESTION, sink)
        sink.ended.wait()
        assert sink.result is not None
        return sink.result.fresh_ttft_s

    @contextmanager
    def flooding(self) -> Iterator[None]:
        stop = threading.Event()

        def run() -> None:
            while not stop.is_set():
                for _ in range(self.flood.room()):
                    self.offer(self.flood)
                stop.wait(0.001)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            time.sleep(0.1)
            yield
        finally:
            stop.set()
            thread.join()
            while self.flood.room() < self.engine.config.max_pending_frames:
                time.sleep(0.01)

    def lags(self, times: int) -> tuple[list[float], list[float]]:
        lags, ttfts = [], []
        for number in range(times):
            camera = self.others[number % len(self.others)]
            time.sleep(random.uniform(0, MOST_PAUSE_S))
            lags.append(self.frame(camera))
            time.sleep(random.uniform(0, MOST_PAUSE_S))
            ttfts.append(self.ask(camera))
        return lags, ttfts
