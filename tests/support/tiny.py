"""A tiny model and pictures for it, made once per test run."""

from __future__ import annotations

import functools
from pathlib import Path

import torch
from torch import Tensor

from hermes.demo import checkpoint
from hermes.memory import (
    FrameStamp,
    MemoryConfig,
    PackedPass,
    SlidingWindow,
    StreamMemory,
)
from hermes.vlm import load
from hermes.vlm.llava_onevision import LlavaOnevision
from hermes.vlm.preprocess import to_pixels
from tests.support.run_folder import made_once

torch.set_num_threads(1)  # a second thread beside another process is slower than none


@functools.cache
def folder() -> Path:
    """The checkpoint's folder. Shared: copy it to change it."""
    return made_once("hermes-tiny", checkpoint.build)


@functools.cache
def model() -> LlavaOnevision:
    """The loaded model. Shared: tests must not change it."""
    loaded = load(folder())
    assert isinstance(loaded, LlavaOnevision)
    return loaded


def pictures(count: int, seed: int = 0, side: int = checkpoint.SIDE) -> Tensor:
    """[count, 3, side, side] uint8, random."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=generator)


def memory(
    budget: int = 1000,
    headroom: int = 160,
    position_limit: int = 4096,
    position_reserve: int = 256,
    eager: bool = False,
) -> StreamMemory:
    """A memory with its prefix in place."""
    tiny = model()
    config = MemoryConfig(
        budget, headroom, position_limit, position_reserve, "eager" if eager else "lazy"
    )
    made = StreamMemory(tiny.shape, tiny.rotary, config, SlidingWindow())
    prefix = tiny.prefix()
    row = made.begin_prefix(len(prefix))
    tiny.forward(prefix, PackedPass([row]))
    made.commit(row)
    return made


def feed(into: StreamMemory, frames: Tensor, start_ms: int = 0, step_ms: int = 1000) -> None:
    """Take in frames one by one, compressing when there is no room for the next."""
    tiny = model()
    for index, features in enumerate(tiny.encode(frames)):
        if into.room() < tiny.layout.tokens:
            into.compress()
        row = into.begin_frames([FrameStamp(start_ms + index * step_ms)], tiny.layout)
        tiny.forward(features, PackedPass([row]))
        into.commit(row)


def answer(of: StreamMemory, text: str, tokens: int) -> tuple[list[int], Tensor]:
    """Greedy token ids and the logits [tokens, vocabulary] of each."""
    tiny = model()
    question = tiny.question(text)
    ids: list[int] = []
    seen: list[Tensor] = []
    with of.branch(len(question) + tokens) as branch:
        inputs = question
        for _ in range(tokens):
            row = branch.row(len(inputs))
            hidden = tiny.forward(inputs, PackedPass([row]))
            branch.commit(row)
            logits = tiny.logits(hidden[-1])
            seen.append(logits)
            ids.append(int(logits.argmax()))
            inputs = tiny.embed(ids[-1:])
    return ids, torch.stack(seen)


def plain_logits(frames: Tensor, question: str, answer: list[int]) -> Tensor:
    """Logits [answer + 1, vocabulary] of the plain transformers model on the same input."""
    from transformers import AutoModelForImageTextToText

    of = model()
    plain = AutoModelForImageTextToText.from_pretrained(folder()).eval()
    tokenizer = of.tokenizer
    prefix = tokenizer(of.template.prefix, add_special_tokens=False)["input_ids"]
    video = [plain.config.video_token_id] * (len(frames) * of.layout.tokens + 1)
    asked = of.template.question_ids(tokenizer, question)
    ids = torch.tensor([[*prefix, *video, *asked, *answer]])
    pixels = to_pixels(frames, of.pixels, torch.float32).unsqueeze(0)
    with torch.inference_mode():
        logits: Tensor = plain(input_ids=ids, pixel_values_videos=pixels).logits[0]
    return logits[-1 - len(answer) :]
