"""Many cameras on one device: passes shared between them, and questions while frames come in."""

from __future__ import annotations

import itertools
import statistics
import tempfile
import threading
from pathlib import Path
from typing import Any

import torch

from benchmarks.blind import Blind
from benchmarks.listening import Sink, Watch, percentile
from benchmarks.memory import decode_steps
from benchmarks.table import Row, interleaved
from hermes.demo import checkpoint
from hermes.demo.training.precision import fast_dtype
from hermes.engine import Batch, CameraHandle, Engine, EngineConfig, FrameInput, SimilarityGate
from hermes.memory import FrameStamp
from hermes.question import Question
from hermes.vlm import Arrival, VideoMemory, VideoModel, load, take_together
from hermes.vlm.shapes import random_model

CAMERAS = 8
SHAPE = "llava-onevision-0.5b"
SHAPE_FRAMES = 6
STILL_FRAMES = 600
GATE_LEVELS, GATE_S = 6, 30
QUESTIONS = {"demo": 300, SHAPE: 12}


def run(rounds: int) -> list[Row]:
    """The rows of this module."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        demo = load(checkpoint.build(Path(folder) / "demo"))
    rows = [_ingest(demo, "demo model", rounds), _gate(demo), *_under_load(demo, "demo")]
    large: Any = random_model(SHAPE, dtype=fast_dtype())
    name = f"0.5B shape, {str(large.shape.dtype).removeprefix('torch.')}"
    rows.append(_decode(large, name, max(2, rounds // 2)))
    rows.append(_ingest(Blind(large), f"{name}, tower left out", 1))
    return [*rows, *_under_load(large, SHAPE)]


def _memories(model: Any, frames: int, count: int = CAMERAS) -> list[VideoMemory]:
    """Memories that hold `frames` each: one is fed, the others are restored from it."""
    first = VideoMemory(model, "sliding-window", budget=4 * frames * model.layout.tokens)
    blank = torch.zeros((frames, 3, *model.frame_size), dtype=torch.uint8)
    first.feed(blank)
    made = [first]
    for _ in range(count - 1):
        other = VideoMemory(model, "sliding-window", budget=4 * frames * model.layout.tokens)
        other.restore(first.state())
        made.append(other)
    return made


@torch.inference_mode()
def _decode(model: VideoModel, name: str, rounds: int) -> Row:
    memories = [memory.cache for memory in _memories(Blind(model), SHAPE_FRAMES)]
    together, alone = interleaved(
        lambda: decode_steps(model, memories, 4, packed=True),
        lambda: decode_steps(model, memories, 4, packed=False),
        rounds,
    )
    tokens = 4 * CAMERAS
    return Row(
        f"one token, {CAMERAS} cameras' answers, {name}",
        together / tokens,
        "one by one",
        alone / tokens,
    )


def _ingest(model: Any, name: str, rounds: int) -> Row:
    """A frame of each camera in one pass, against one after another. Nothing is compressed."""
    shared, single = _memories(model, 2), _memories(model, 2)
    clock = itertools.count(1_000_000)
    picture = torch.zeros((3, *model.frame_size), dtype=torch.uint8)

    def arrive(memories: list[VideoMemory]) -> list[Arrival]:
        stamp = FrameStamp(next(clock))
        return [Arrival(memory, picture, stamp) for memory in memories]

    def one_by_one() -> None:
        for arrival in arrive(single):
            take_together([arrival])

    together, alone = interleaved(lambda: take_together(arrive(shared)), one_by_one, rounds)
    return Row(
        f"a frame, {CAMERAS} cameras in one pass, {name}",
        together / CAMERAS,
        "one by one",
        alone / CAMERAS,
    )


def _gate(model: VideoModel) -> Row:
    """A camera that shows a still scene for ten minutes, a frame a second, with noise."""
    gate, memory = SimilarityGate(GATE_LEVELS, GATE_S), _memories(model, 2, 1)[0]
    noise = torch.randint(0, 8, (16, 3, *model.frame_size), dtype=torch.uint8)
    clock = itertools.count(1_000)

    def frames(gated: bool) -> None:
        for number in range(STILL_FRAMES):
            stamp = FrameStamp(1000 * next(clock))
            picture = noise[number % 16]
            if not gated or gate.passes(picture, stamp.capture_ms):
                take_together([Arrival(memory, picture, stamp)])

    gated, all_of_them = interleaved(lambda: frames(True), lambda: frames(False), 1)
    return Row(
        "a frame of a camera that shows nothing new, similarity gate on, demo model",
        gated / STILL_FRAMES,
        "gate off",
        all_of_them / STILL_FRAMES,
    )


def _under_load(model: VideoModel, name: str) -> list[Row]:
    """Warm TTFT of questions, one after the other: the device idle, and saturated by frames."""
    observer, questions = Watch(), QUESTIONS[name]
    config = EngineConfig(budget_tokens=16 * model.layout.tokens, max_pending_frames=8)
    engine = Engine(model, config, observer)
    engine.start()
    picture = torch.zeros((3, *model.frame_size), dtype=torch.uint8)
    cameras = [engine.open(f"camera-{number}") for number in range(CAMERAS)]
    clock = itertools.count(1)
    stop = threading.Event()

    def offer() -> None:
        while not stop.is_set():
            for camera in cameras:
                if camera.room():
                    stamp = next(clock)
                    frame = FrameInput(picture, FrameStamp(stamp), replayed=True)
                    camera.offer(Batch([frame], str(stamp)))
            stop.wait(0.001)

    try:
        ask(cameras, 2)
        idle = ask(cameras, questions)
        saturating = threading.Thread(target=offer)
        saturating.start()
        while observer.frames == 0:
            stop.wait(0.01)
        busy = ask(cameras, questions)
        stop.set()
        saturating.join()
    finally:
        stop.set()
        engine.stop()

    def p99(values: list[float]) -> float:
        found = percentile(values, 99)
        assert found is not None
        return found

    label = "demo model" if name == "demo" else "0.5B shape"
    return [
        Row(
            f"warm TTFT, median, frames saturate the device, {label}",
            statistics.median(busy),
            "the same, device idle",
            statistics.median(idle),
        ),
        Row(f"warm TTFT, p99, {label}", p99(busy), "p99, device idle", p99(idle)),
    ]


def ask(cameras: list[CameraHandle], questions: int) -> list[float]:
    """Warm TTFT of so many questions, one after the other, in seconds."""
    taken = []
    question = Question("What is happening now?", max_tokens=2)
    for number in range(questions):
        sink = Sink()
        cameras[number % len(cameras)].ask(question, sink)
        sink.ended.wait()
        if sink.result is None:
            raise RuntimeError("a question failed")
        taken.append(sink.result.warm_ttft_s)
    return taken
