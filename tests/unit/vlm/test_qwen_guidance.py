"""Guidance of both Qwen-VL families: what eager attention of the plain model says."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import torch
from torch import Tensor

from hermes.memory import FrameStamp, PackedPass, Row, StreamMemory
from hermes.memory.guidance import EmbeddingsRow, GuidanceRow
from hermes.vlm import guidance_prompts
from hermes.vlm.guidance import GLOBAL, LOCAL
from hermes.vlm.preprocess import patchify, to_pixels
from tests.support import tiny_qwen
from tests.support.tiny_qwen import Tiny, trained_positions

FRAMES = 5


@pytest.fixture(params=tiny_qwen.FAMILIES)
def model(request: pytest.FixtureRequest) -> Tiny:
    return tiny_qwen.model(request.param)


def guided_pass(
    model: Tiny, memory: StreamMemory, pictures: Tensor, prompts: list[Tensor]
) -> tuple[GuidanceRow | EmbeddingsRow, ...]:
    """Feed frames, the last with the prompts packed after it. Returns the guidance rows."""
    tiny_qwen.feed(model, memory, pictures[:-2])
    row = memory.begin_frames([FrameStamp(99_000)], model.layout)
    guides = memory.guide([len(prompt) for prompt in prompts])
    rows: list[Row] = [row, *guides]
    features = model.encode(pictures[-2:])[0]
    model.forward(torch.cat([features, *prompts]), PackedPass(rows))
    memory.commit(row)
    return guides


@functools.cache
def eager(family: str) -> Any:
    from transformers import AutoModelForImageTextToText

    return AutoModelForImageTextToText.from_pretrained(
        tiny_qwen.folder(family), attn_implementation="eager"
    ).eval()


def eager_attention(model: Tiny, pictures: Tensor, text: str) -> Tensor:
    """[layers, video tokens] from an ordinary forward of the plain model."""
    plain, tokenizer = eager(model.model_type), model.tokenizer
    config = plain.config
    frames = len(pictures) // 2
    prefix = tokenizer(model.template.prefix, add_special_tokens=False)["input_ids"]
    patches = [config.video_token_id] * (tiny_qwen.GRID[0] * tiny_qwen.GRID[1])
    if model.model_type != "qwen2_5_vl":
        patches = [config.vision_start_token_id, *patches, config.vision_end_token_id]
    ids = [*prefix, *patches * frames, *model.template.question_ids(tokenizer, text)]
    more: dict[str, object] = {}
    if model.model_type == "qwen2_5_vl":
        more["second_per_grid_ts"] = [2 / model.patches.frames_per_second]
        more["position_ids"] = trained_positions(model, ids, frames)
    tokens = torch.tensor([ids])
    with torch.inference_mode():
        output = plain(
            input_ids=tokens,
            pixel_values_videos=patchify(
                to_pixels(pictures, model.pixels, torch.float32), model.patches
            ),
            video_grid_thw=torch.tensor([[frames, *(2 * side for side in tiny_qwen.GRID)]]),
            mm_token_type_ids=2 * (tokens == config.video_token_id).int(),
            output_attentions=True,
            **more,
        )
    first, after = len(prefix), len(prefix) + frames * model.layout.tokens
    return torch.stack(
        [layer[0, :, after:, first:after].mean(dim=(0, 1)) for layer in output.attentions]
    )


def test_recorded_attention_is_eager_attention(model: Tiny) -> None:
    pictures = tiny_qwen.pictures(model.model_type, FRAMES)
    prompts = list(guidance_prompts(model))
    guides = guided_pass(model, tiny_qwen.memory(model), pictures, prompts)
    for guide, text in zip(guides, (GLOBAL, f"{LOCAL} {GLOBAL}"), strict=True):
        expected = eager_attention(model, pictures, text)
        assert guide.attention.shape == expected.shape
        assert torch.allclose(guide.attention, expected, atol=1e-4)
        assert float(expected.sum(1).min()) > 0.1


def test_packed_prompts_equal_separate_passes_and_leave_no_trace(model: Tiny) -> None:
    pictures = tiny_qwen.pictures(model.model_type, FRAMES)
    prompts = list(guidance_prompts(model))
    packed, unguided = tiny_qwen.memory(model), tiny_qwen.memory(model)
    guides = guided_pass(model, packed, pictures, prompts)
    for guide, prompt in zip(guides, prompts, strict=True):
        (alone,) = guided_pass(model, tiny_qwen.memory(model), pictures, [prompt])
        assert torch.allclose(guide.attention, alone.attention, atol=1e-6)
    tiny_qwen.feed(model, unguided, pictures)
    one, other = packed.state(), unguided.state()
    assert (packed.length, packed.next_position) == (unguided.length, unguided.next_position)
    for name in ("keys", "values"):
        assert torch.allclose(one.tensors[name], other.tensors[name], atol=1e-5)
    assert torch.equal(one.tensors["positions"], other.tensors["positions"])
