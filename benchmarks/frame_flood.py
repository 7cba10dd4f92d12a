"""What other cameras wait for while one sends as many frames as it can, and what frames wait for
while one caller asks as much as it can, on one device.

Times are CPU time of the device's thread: of a frame, from the moment it is offered until it is
in memory; of a question, until its first token.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch

from benchmarks.flood import CAMERAS as ASKED
from benchmarks.flood import MOST_PAUSE_S, OPEN, QUIET, DeviceClock, flooding
from benchmarks.listening import Sink, Watch, percentile
from benchmarks.table import Row
from hermes.demo.checkpoint import WEIGHTS
from hermes.engine import Batch, CameraHandle, Engine, EngineConfig, FrameInput
from hermes.memory import FrameStamp
from hermes.vlm import VideoModel, load

CAMERAS = 8
FRAMES = 8
"""That a memory holds, and frames between two compressions."""
PENDING = 64
"""Frames of one camera that wait: the flood is never short of any."""
TURNS = 98
"""Frames, and questions, of the other cameras in each round: one after the other."""
FLOOD = "flood"


class _Arrivals(Watch):
    """Notes when the frame of a quiet camera came to be in memory."""

    def __init__(self, clock: DeviceClock) -> None:
        super().__init__()
        self._clock = clock
        self.at = 0.0
        self.came = threading.Event()

    def frame_in_memory(self, camera_id: str, lag_s: float | None) -> None:
        if camera_id != FLOOD:
            self.at = self._clock()
            self.came.set()


@dataclass
class _Waits:
    """Seconds that frames and questions waited."""

    frames: list[float] = field(default_factory=list)
    questions: list[float] = field(default_factory=list)


def run(rounds: int) -> list[Row]:
    """The rows of this module."""
    torch.set_num_threads(1)
    device = _Device(load(WEIGHTS))
    device.take_turns(_Waits(), 2 * CAMERAS)  # warm-up
    alone, sent, asked = _Waits(), _Waits(), _Waits()
    for _ in range(rounds):
        device.take_turns(alone, TURNS)
        with device.sending():
            device.take_turns(sent, TURNS)
        with flooding(device.others[:ASKED], FLOOD):
            device.take_turns(asked, TURNS)
    device.engine.stop()
    beside_frames = "beside a camera that sends as much as it can"
    beside_questions = f"beside {OPEN} open questions of one caller"
    return [
        *_rows(f"a frame of another camera {beside_frames}", sent.frames, alone.frames),
        *_rows(f"TTFT of another camera {beside_frames}", sent.questions, alone.questions),
        *_rows(f"a frame {beside_questions}", asked.frames, alone.frames),
        *_rows(f"TTFT of another caller {beside_questions}", asked.questions, alone.questions),
    ]


def _rows(what: str, beside: list[float], alone: list[float]) -> list[Row]:
    rows = []
    for which, percent in (("median", 50.0), ("p99", 99.0)):
        ours, calm = percentile(beside, percent), percentile(alone, percent)
        assert ours is not None
        assert calm is not None
        rows.append(Row(f"{which}, {what}: {ours / calm:.2f} times", ours, "without it", calm))
    return rows


class _Device:
    """An engine with a camera that can send much, and others."""

    def __init__(self, model: VideoModel) -> None:
        self._clock = DeviceClock()
        self._arrivals = _Arrivals(self._clock)
        config = EngineConfig(
            budget_tokens=FRAMES * model.layout.tokens, compress_every_frames=FRAMES,
            max_pending_frames=PENDING, max_question_tokens=64, max_answer_tokens=64,
            max_wait_s=1e9,
        )  # fmt: skip
        self.engine = Engine(model, config, self._arrivals, clock=self._clock)
        self.engine.start(self._clock.beat)
        self._flood = self.engine.open(FLOOD)
        self.others = [self.engine.open(f"camera-{number}") for number in range(1, CAMERAS)]
        size = (16, 3, *model.frame_size)
        self._pictures = itertools.cycle(torch.randint(0, 256, size, dtype=torch.uint8))
        self._numbers = itertools.count(1)

    def take_turns(self, waits: _Waits, turns: int) -> None:
        """A frame of one camera, then a question about it; then of the next camera."""
        for number in range(turns):
            camera = self.others[number % len(self.others)]
            time.sleep(random.uniform(0.0, MOST_PAUSE_S))  # it comes at any moment of a pass
            waits.frames.append(self._frame(camera))
            time.sleep(random.uniform(0.0, MOST_PAUSE_S))
            waits.questions.append(_question(camera))

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Meanwhile as many frames of one camera wait as may."""
        stop = threading.Event()

        def send() -> None:
            while not stop.is_set():
                for _ in range(self._flood.room()):
                    self._offer(self._flood)
                stop.wait(0.001)

        thread = threading.Thread(target=send)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            while self._flood.room() < PENDING:
                time.sleep(0.01)

    def _frame(self, camera: CameraHandle) -> float:
        self._arrivals.came.clear()
        began = self._clock()
        self._offer(camera)
        self._arrivals.came.wait()
        return self._arrivals.at - began

    def _offer(self, camera: CameraHandle) -> None:
        number = next(self._numbers)
        frame = FrameInput(next(self._pictures), FrameStamp(number))
        camera.offer(Batch([frame], str(number)))


def _question(camera: CameraHandle) -> float:
    sink = Sink()
    camera.ask(QUIET, sink, caller="quiet")
    sink.ended.wait()
    if sink.result is None:
        raise RuntimeError("a question of the quiet caller was not answered")
    return sink.result.fresh_ttft_s
