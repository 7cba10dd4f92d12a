"""In 16 bits every family is as near to fp32 as the stock model is, and nothing overflows."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from hermes.memory import PackedPass
from hermes.vlm import VideoMemory, load
from hermes.vlm.preprocess import patchify, to_pixels
from tests.support import tiny_hub

QUESTION = "Who is there? What colour is the car?"
NARROW = [torch.float16, torch.bfloat16]
ALLOWED = 1.1
"""Ours by the stock model's: two roundings of the same numbers differ by a few percent."""


@cache
def own(family: str, dtype: torch.dtype) -> Any:
    return load(tiny_hub.folder(family), dtype=dtype)


def pictures(family: str, seed: int) -> Tensor:
    """Of one frame: positions in time are no question then."""
    model = own(family, torch.float32)
    generator = torch.Generator().manual_seed(seed)
    size = (model.pictures_per_frame, 3, *model.frame_size)
    return torch.randint(0, 256, size, dtype=torch.uint8, generator=generator)


def stock(family: str, dtype: torch.dtype) -> list[Tensor]:
    """The logits of the plain model, at each token of the question, for three pictures."""
    from transformers import AutoModelForImageTextToText

    model = own(family, torch.float32)
    plain: Any = AutoModelForImageTextToText.from_pretrained(tiny_hub.folder(family), dtype=dtype)
    video, tokenizer = plain.config.video_token_id, model.tokenizer
    prefix = model.template.prefix_ids(tokenizer)
    asked = model.template.question_ids(tokenizer, QUESTION)
    found = []
    for seed in range(3):
        pixels = to_pixels(pictures(family, seed), model.pixels, torch.float32)
        if family == "llava_onevision":
            ids = [*prefix, *[video] * (model.layout.tokens + 1), *asked]
            more: dict[str, Any] = {"pixel_values_videos": pixels.unsqueeze(0).to(dtype)}
        else:
            rows, columns = (side // model.patches.unit for side in model.frame_size)
            frame = [video] * (rows * columns)
            if family != "qwen2_5_vl":
                marks = plain.config.vision_start_token_id, plain.config.vision_end_token_id
                time = tokenizer.encode("<0.5 seconds>", add_special_tokens=False)
                frame = [*time, marks[0], *frame, marks[1]]
            ids = [*prefix, *frame, *asked]
            more = {
                "pixel_values_videos": patchify(pixels, model.patches).to(dtype),
                "video_grid_thw": torch.tensor([[1, 2 * rows, 2 * columns]]),
                "mm_token_type_ids": 2 * (torch.tensor([ids]) == video).int(),
            }
        with torch.inference_mode():
            logits = plain.eval()(input_ids=torch.tensor([ids]), **more).logits
        found.append(logits[0, -len(asked) :].float())
    return found


@torch.inference_mode()
def ours(family: str, dtype: torch.dtype) -> list[Tensor]:
    model, found = own(family, dtype), []
    asked = len(model.template.question_ids(model.tokenizer, QUESTION))
    for seed in range(3):
        memory = VideoMemory(model, "sliding-window", budget=2000)
        memory.feed(pictures(family, seed))
        inputs = model.question(QUESTION)
        with memory.branch(len(inputs)) as branch:
            hidden = model.forward(inputs, PackedPass([branch.row(len(inputs))]))
        found.append(model.logits(hidden)[-asked:].float())
    return found


@cache
def exact(family: str) -> list[Tensor]:
    return stock(family, torch.float32)


def error(found: list[Tensor], family: str) -> float:
    """The median distance from fp32: where a rounding changes an expert, the mean tells nothing."""
    apart = [(a - b).abs().flatten() for a, b in zip(found, exact(family), strict=True)]
    return float(torch.cat(apart).median())


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("family", tiny_hub.FAMILIES)
def test_rounding_costs_no_more_than_in_the_stock_model(family: str, dtype: torch.dtype) -> None:
    assert error(ours(family, torch.float32), family) < 1e-5
    assert error(ours(family, dtype), family) <= ALLOWED * error(stock(family, dtype), family)


@pytest.mark.parametrize("policy", ["hermes", "hermes-published-code"])
@pytest.mark.parametrize("family", tiny_hub.FAMILIES)
def test_a_stream_in_fp16_is_remembered_compressed_and_asked(family: str, policy: str) -> None:
    """Frames, guidance and answers; frames whose numbers were not finite would be refused."""
    model = own(family, torch.float16)
    memory = VideoMemory(model, policy, budget=3 * model.layout.tokens, compress_every_frames=2)
    for seed in range(6):
        memory.feed(pictures(family, seed))
    assert memory.coverage().frames_seen == 6
    assert memory.cache.video_tokens <= 3 * model.layout.tokens + 2 * model.layout.tokens
    assert memory.ask(QUESTION, 6)
