"""What a quiet caller waits for while another asks as much as it can, on one device.

Times are CPU time of the device's thread, from the question to the first token: so they hold
all that the device does meanwhile, and nothing that other programs of the machine do.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from benchmarks.listening import Watch, percentile
from benchmarks.table import Row
from hermes.demo.checkpoint import WEIGHTS
from hermes.engine import AnswerResult, Batch, CameraHandle, Engine, EngineConfig, FrameInput
from hermes.errors import HermesError
from hermes.memory import FrameStamp
from hermes.question import Question
from hermes.vlm import VideoModel, load

CAMERAS = 4
OPEN = 48
"""Questions that one caller may have open on a worker, of 64: three quarters."""
FRAMES = 8
FLOOD = Question("What was there to be seen before?", max_tokens=32)
QUIET = Question("What is there now?", max_tokens=2)
QUESTIONS = 24
"""That the quiet caller asks in each round, each time in one of the three ways."""
MOST_PAUSE_S = 0.02


class DeviceClock:
    """CPU seconds of the thread that first calls `beat`. Any thread may read it."""

    def __init__(self) -> None:
        self._id: int | None = None

    def beat(self) -> None:
        """Called on the device's thread."""
        if self._id is None:
            self._id = time.pthread_getcpuclockid(threading.get_ident())

    def __call__(self) -> float:
        return 0.0 if self._id is None else time.clock_gettime(self._id)


def run(rounds: int) -> list[Row]:
    """The rows of this module."""
    torch.set_num_threads(1)
    return _measured(load(WEIGHTS), rounds)


def _measured(model: VideoModel, rounds: int) -> list[Row]:
    clock = DeviceClock()
    config = EngineConfig(
        budget_tokens=FRAMES * model.layout.tokens, compress_every_frames=FRAMES,
        max_question_tokens=64, max_answer_tokens=64, max_wait_s=1e9,
    )  # fmt: skip
    engine = Engine(model, config, Watch(), clock=clock)
    engine.start(clock.beat)
    cameras = [engine.open(f"camera-{number}") for number in range(CAMERAS)]
    _show(model, cameras)
    alone, in_turn, in_order = list[float](), list[float](), list[float]()
    for _ in range(rounds):
        alone += _asked(cameras, "quiet", QUESTIONS)
        with flooding(cameras, "flood"):
            in_turn += _asked(cameras, "quiet", QUESTIONS)
        with flooding(cameras, ""):
            in_order += _asked(cameras, "", QUESTIONS)
    engine.stop()
    what = f"TTFT of one caller beside {OPEN} open questions of another"
    return [
        Row(
            f"{which} {what}, callers in turn: {ours / calm:.2f} times as long as alone;"
            f" first come, first served {theirs / calm:.1f} times",
            ours,
            "first come, first served",
            theirs,
        )
        for which, percent in (("median", 50.0), ("p99", 99.0))
        for ours, theirs, calm in (
            [_percentile(times, percent) for times in (in_turn, in_order, alone)],
        )
    ]


def _percentile(times: Sequence[float], percent: float) -> float:
    found = percentile(times, percent)
    assert found is not None
    return found


def _show(model: VideoModel, cameras: Sequence[CameraHandle]) -> None:
    picture = torch.zeros((3, *model.frame_size), dtype=torch.uint8)
    for number in range(1, FRAMES + 1):
        for camera in cameras:
            camera.offer(Batch([FrameInput(picture, FrameStamp(number))], str(number)))
    while any(camera.report().cursor != str(FRAMES) for camera in cameras):
        time.sleep(0.01)


class _Sink:
    """An answer, of which the end counts. `then` is called on the device's thread."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.result: AnswerResult | None = None

    def delta(self, text: str) -> None:
        pass

    def done(self, result: AnswerResult) -> None:
        self.result = result
        self.ended.set()

    def failed(self, error: HermesError) -> None:
        self.ended.set()


class _Again(_Sink):
    """One of the flood: as soon as it is answered, it is asked again."""

    def __init__(self, camera: CameraHandle, caller: str, stop: threading.Event) -> None:
        super().__init__()
        self._camera = camera
        self._caller = caller
        self._stop = stop
        self.ask()

    def ask(self) -> None:
        self._camera.ask(FLOOD, self, caller=self._caller)

    def done(self, result: AnswerResult) -> None:
        if self._stop.is_set():
            super().done(result)
        else:
            self.ask()


@contextmanager
def flooding(cameras: Sequence[CameraHandle], caller: str) -> Iterator[None]:
    """Meanwhile this caller has as many questions open as it may."""
    stop = threading.Event()
    flood = [_Again(cameras[number % len(cameras)], caller, stop) for number in range(OPEN)]
    try:
        yield
    finally:
        stop.set()
        for one in flood:
            one.ended.wait()


def _asked(cameras: Sequence[CameraHandle], caller: str, count: int) -> list[float]:
    """Seconds to the first token of questions that are asked one after another."""
    times = []
    for number in range(count):
        time.sleep(random.uniform(0.0, MOST_PAUSE_S))  # it comes at any moment of a pass
        sink = _Sink()
        cameras[number % CAMERAS].ask(QUIET, sink, caller=caller)
        sink.ended.wait()
        if sink.result is None:
            raise RuntimeError("a question of the quiet caller was not answered")
        times.append(sink.result.fresh_ttft_s)
    return times
