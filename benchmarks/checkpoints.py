"""Checkpoints: what a question notices of them, and what a restore saves."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

import torch

from benchmarks.listening import Watch, percentile
from benchmarks.serving import ask
from benchmarks.table import Row, interleaved
from hermes.demo import checkpoint
from hermes.engine import Batch, CameraHandle, Engine, EngineConfig, FrameInput
from hermes.engine.snapshot import encode, restore
from hermes.memory import FrameStamp
from hermes.vlm import VideoMemory, VideoModel, load

FRAMES = 120
BUDGET = 4000
QUESTIONS = 300
CAMERA = "camera"


def run(rounds: int) -> list[Row]:
    """The rows of this module."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        model = load(checkpoint.build(Path(folder) / "demo"))
    budget = min(BUDGET, model.position_limit // 2)
    memory = _fed(model, budget)
    data = encode(memory.state())
    return [*_questions(model, memory, budget), _back(model, data, budget, rounds)]


def _fed(model: VideoModel, budget: int) -> VideoMemory:
    memory = VideoMemory(model, budget=budget)
    memory.feed(torch.zeros((FRAMES, 3, *model.frame_size), dtype=torch.uint8))
    return memory


def _questions(model: VideoModel, memory: VideoMemory, budget: int) -> list[Row]:
    """Warm TTFT, the device idle, and while one copy after the other is taken and summed."""
    engine = Engine(model, EngineConfig(budget_tokens=budget, max_question_tokens=64), Watch())
    engine.start()
    camera = engine.open(CAMERA)
    stop, copies = threading.Event(), 0

    def copy() -> None:
        nonlocal copies
        while not stop.is_set():
            encode(camera.snapshot().result().state)
            copies += 1

    try:
        _fill(camera, model)
        ask([camera], 20)
        idle = ask([camera], QUESTIONS)
        copying = threading.Thread(target=copy)
        copying.start()
        busy = ask([camera], QUESTIONS)
        stop.set()
        copying.join()
    finally:
        stop.set()
        engine.stop()
    if not copies:
        raise RuntimeError("nothing was copied meanwhile")
    found = {p: (percentile(busy, p), percentile(idle, p)) for p in (50, 99)}
    return [
        Row(f"warm TTFT, p{p}, checkpoints without a pause", with_s, "none", without_s)
        for p, (with_s, without_s) in found.items()
        if with_s is not None and without_s is not None
    ]


def _fill(camera: CameraHandle, model: VideoModel) -> None:
    picture = torch.zeros((3, *model.frame_size), dtype=torch.uint8)
    for number in range(FRAMES):
        while not camera.room():
            threading.Event().wait(0.001)
        frame = FrameInput(picture, FrameStamp(1000 * (number + 1)), replayed=True)
        camera.offer(Batch([frame], str(number)))
    while camera.inspect().result().frames_seen < FRAMES:
        pass


def _back(model: VideoModel, data: bytes, budget: int, rounds: int) -> Row:
    """A memory as it was: from its snapshot, against the frames that it was made of."""
    snapshot_s, frames_s = interleaved(
        lambda: restore(VideoMemory(model, budget=budget), data),
        lambda: _fed(model, budget),
        min(3, rounds),
    )
    return Row(
        f"a memory of {FRAMES} frames back, {len(data) / 2**20:.1f} MiB snapshot",
        snapshot_s,
        "its frames taken in again",
        frames_s,
    )
