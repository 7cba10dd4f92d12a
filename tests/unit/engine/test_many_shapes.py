"""Cameras of different shapes, with pictures that wait for a partner, on one engine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from hermes.engine import AnswerResult, Batch, EngineConfig, FrameInput
from hermes.errors import HermesError
from hermes.memory import FrameStamp
from hermes.vlm import VideoMemory, load
from tests.support import tiny_hub
from tests.support.named_engine import NamedEngine

QUESTION = "Who is there?"
TOKENS = 6
CONFIG = EngineConfig(
    budget_tokens=400,
    compress_every_frames=4,
    max_cameras=8,
    max_question_tokens=64,
    max_answer_tokens=16,
)
CAMERAS = {"4:3": ((120, 160), 1), "16:9": ((90, 160), 3), "9:16": ((160, 90), 4)}
"""Size and number of pictures of each."""


class Sink:
    def __init__(self) -> None:
        self.text = ""
        self.result: AnswerResult | None = None
        self.error: HermesError | None = None
        self.ended = threading.Event()

    def delta(self, text: str) -> None:
        self.text += text

    def done(self, result: AnswerResult) -> None:
        self.result = result
        self.ended.set()

    def failed(self, error: HermesError) -> None:
        self.error = error
        self.ended.set()


class Observer:
    def __init__(self) -> None:
        self.refused: list[tuple[str, str]] = []

    def frame_in_memory(self, camera_id: str, lag_s: float | None) -> None: ...

    def tokens_taken(self, camera_id: str, taken: int, unchanged: int) -> None: ...
    def compressed(self, camera_id: str, evicted_tokens: int) -> None: ...
    def pass_retried(self) -> None: ...

    def frame_failed(self, camera_id: str, error: Exception) -> None:
        self.refused.append((camera_id, str(error)))


def pictures(size: tuple[int, int], count: int) -> Tensor:
    generator = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, (count, 3, *size), dtype=torch.uint8, generator=generator)


@pytest.fixture(scope="module", params=["qwen2_5_vl", "qwen3_vl"])
def model(request: pytest.FixtureRequest) -> Any:
    return load(tiny_hub.folder(request.param), frame_tokens=24)


@pytest.fixture
def observer() -> Observer:
    return Observer()


@pytest.fixture
def engine(model: Any, observer: Observer) -> Iterator[NamedEngine]:
    made = NamedEngine(model, CONFIG, observer)
    made.start()
    yield made
    made.stop()


def offer(engine: NamedEngine, camera: str, frames: Tensor) -> None:
    engine.open(camera)
    ready = [
        FrameInput(engine.prepare(frame), FrameStamp(1000 * at)) for at, frame in enumerate(frames)
    ]
    engine.offer(camera, Batch(ready, "1"))


def test_answers_are_those_of_memories_of_their_own(engine: NamedEngine, model: Any) -> None:
    sinks = {}
    for camera, (size, count) in CAMERAS.items():
        offer(engine, camera, pictures(size, count))
    for _ in range(2):  # the second question about a picture that waits does not encode it again
        for camera in CAMERAS:
            sinks[camera] = Sink()
            engine.ask(
                camera, QUESTION, sinks[camera], max_tokens=TOKENS, ready=lambda at: at == "1"
            )
        for camera, (size, count) in CAMERAS.items():
            sink = sinks[camera]
            assert sink.ended.wait(60)
            assert sink.error is None
            alone = VideoMemory(model, budget=400, compress_every_frames=4)
            alone.feed(pictures(size, count))
            assert sink.text == alone.ask(QUESTION, TOKENS)
            assert sink.result is not None
            assert sink.result.coverage.end_ms == 1000 * (count - 1)
            assert sink.result.question_tokens == len(model.question(QUESTION))


def test_a_picture_that_no_frame_can_show_is_one_cameras_error(
    engine: NamedEngine, observer: Observer
) -> None:
    offer(engine, "slit", torch.zeros((2, 3, 2, 900), dtype=torch.uint8))
    offer(engine, "good", pictures((120, 160), 2))
    sink = Sink()
    engine.ask("good", QUESTION, sink, max_tokens=2, ready=lambda at: at == "1")
    assert sink.ended.wait(60)
    assert sink.error is None
    other = Sink()
    engine.ask("slit", QUESTION, other, max_tokens=2, ready=lambda at: at == "1")
    assert other.ended.wait(60)
    assert {camera for camera, _ in observer.refused} == {"slit"}
    assert "900x2: one side is more than 200 times the other" in observer.refused[0][1]
