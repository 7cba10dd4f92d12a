"""Questions that share passes are each decoded as the model's makers meant it."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hermes.engine import AnswerResult, Batch, EngineConfig, FrameInput
from hermes.errors import HermesError
from hermes.memory import FrameStamp
from hermes.sampling import GREEDY, Sampling
from hermes.vlm import VideoMemory, VideoModel, load
from tests.support import tiny_hub
from tests.support import tiny_hub_templates as templates
from tests.support.named_engine import NamedEngine

SIZE = (96, 128)
QUESTIONS = ("Who is there?", "What colour is the car?", "Is it day?")
TOKENS = 20
BUDGET = 400


class Sink:
    def __init__(self) -> None:
        self.text = ""
        self.result: AnswerResult | None = None
        self.ended = threading.Event()

    def delta(self, text: str) -> None:
        self.text += text

    def done(self, result: AnswerResult) -> None:
        self.result = result
        self.ended.set()

    def failed(self, error: HermesError) -> None:
        self.ended.set()


class Observer:
    def frame_in_memory(self, camera_id: str, lag_s: float | None) -> None: ...
    def tokens_taken(self, camera_id: str, taken: int, unchanged: int) -> None: ...
    def compressed(self, camera_id: str, evicted_tokens: int) -> None: ...
    def pass_retried(self) -> None: ...
    def frame_failed(self, camera_id: str, error: Exception) -> None: ...


def pictures() -> Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randint(0, 256, (4, 3, *SIZE), dtype=torch.uint8, generator=generator)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return shutil.copytree(tiny_hub.folder("qwen3_vl"), tmp_path / "copy")


def asked(
    model: VideoModel, samplings: Sequence[Sampling] = (GREEDY,) * len(QUESTIONS)
) -> list[Sink]:
    """All questions about one camera at once, twice over."""
    config = EngineConfig(
        budget_tokens=BUDGET, compress_every_frames=4, max_cameras=2, policy="sliding-window"
    )
    engine = NamedEngine(model, config, Observer())
    engine.start()
    try:
        engine.open("a")
        frames = [FrameInput(each, FrameStamp(n * 1000)) for n, each in enumerate(pictures())]
        engine.offer("a", Batch(frames, "1"))
        sinks = []
        for _ in range(2):
            round = [Sink() for _ in QUESTIONS]
            for text, sink, own in zip(QUESTIONS, round, samplings, strict=True):
                engine.ask(
                    "a",
                    text,
                    sink,
                    max_tokens=TOKENS,
                    ready=lambda cursor: cursor == "1",
                    sampling=own,
                )
            for sink in round:
                assert sink.ended.wait(30)
            sinks += round
    finally:
        engine.stop()
    return sinks


def test_each_answer_has_its_own_penalty(copy: Path) -> None:
    path = copy / "generation_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"repetition_penalty": 1.5}))
    model = load(copy, frame_size=SIZE)
    memory = VideoMemory(model, "sliding-window", budget=BUDGET)
    memory.feed(pictures())
    expected = [memory.ask(text, TOKENS) for text in QUESTIONS]
    assert [sink.text for sink in asked(model)] == expected * 2


def test_reasoning_is_counted_and_not_sent(copy: Path) -> None:
    (copy / "chat_template.jinja").unlink()
    tiny_hub.write_template(copy, templates.QWEN3_VL_THINKING, jinja=False)
    for sink in asked(load(copy, frame_size=SIZE)):
        assert sink.text == ""
        assert sink.result is not None
        assert sink.result.reasoning_tokens == sink.result.answer_tokens > 0
        assert sink.result.reasoning


def test_each_answer_has_its_own_settings(copy: Path) -> None:
    """As it is alone, although they share passes; and the same again by the same seed."""
    model = load(copy, frame_size=SIZE)
    memory = VideoMemory(model, "sliding-window", budget=BUDGET)
    memory.feed(pictures())
    greedy = memory.ask(QUESTIONS[2], TOKENS)
    stop = greedy[4:7]
    samplings = [
        Sampling(temperature=1.5, top_k=50, seed=11, logprobs=True),
        GREEDY,
        Sampling(stop=(stop,), logprobs=True),
    ]
    settings = list(zip(QUESTIONS, samplings, strict=True))
    expected = [memory.ask(text, TOKENS, sampling) for text, sampling in settings]
    assert expected[2] == greedy[: greedy.index(stop)]
    sinks = asked(model, samplings)
    assert [sink.text for sink in sinks] == expected * 2
    results = [sink.result for sink in sinks[:3]]
    assert all(results)
    drawn, plain, stopped = results
    assert drawn is not None and plain is not None and stopped is not None  # noqa: PT018
    assert (plain.logprobs, stopped.finish_reason) == ((), "stop")
    assert len(drawn.logprobs) >= drawn.answer_tokens - 1  # without the token that ends it
    assert all(token.logprob < 0 for token in drawn.logprobs)
    assert "".join(token.text for token in drawn.logprobs) == sinks[0].text
    assert len(stopped.logprobs) == stopped.answer_tokens < TOKENS


def test_text_that_was_held_back_comes_with_the_end(copy: Path) -> None:
    """The last character might have begun a stop text."""
    model = load(copy, frame_size=SIZE)
    memory = VideoMemory(model, "sliding-window", budget=BUDGET)
    memory.feed(pictures())
    greedy = [memory.ask(text, TOKENS) for text in QUESTIONS]
    samplings = [Sampling(stop=(text[-1] + "\0",)) for text in greedy]
    assert [sink.text for sink in asked(model, samplings)] == greedy * 2
