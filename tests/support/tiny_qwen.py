"""Tiny Qwen-VL models with random weights, made once per test run."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, Qwen2_5_VLConfig, Qwen3VLConfig, Qwen3VLMoeConfig

from hermes.memory import FrameStamp, MemoryConfig, PackedPass, SlidingWindow, StreamMemory
from hermes.vlm import chat_templates, load, offline_tokenizer
from hermes.vlm.preprocess import patchify, to_pixels
from hermes.vlm.qwen2_5_vl import Qwen25VL
from hermes.vlm.qwen3_vl import Qwen3VL
from hermes.vlm.shapes import QWEN_VL_MARKS
from tests.support.run_folder import made_once

torch.set_num_threads(1)  # a second thread beside another process is slower than none

FAMILIES = ("qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe")
GRID = (3, 4)
"""Rows and columns of a frame's tokens."""

_SIDES = {"qwen2_5_vl": 14, "qwen3_vl": 16, "qwen3_vl_moe": 16}
_LAYERS = 5
_HIDDEN = 64

Tiny = Qwen25VL | Qwen3VL


@functools.cache
def folder(family: str) -> Path:
    """A checkpoint's folder. Shared: copy it to change it."""
    return made_once(f"hermes-{family}", lambda made: _build(family, made))


def _build(family: str, made: Path) -> None:
    from transformers import AutoModelForImageTextToText

    tokenizer = offline_tokenizer.build(QWEN_VL_MARKS, {})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model: Any = AutoModelForImageTextToText.from_config(_config(family, len(tokenizer)))
    model.generation_config = GenerationConfig(eos_token_id=offline_tokenizer.END_ID)
    model.save_pretrained(made)
    tokenizer.save_pretrained(made)
    (made / "preprocessor_config.json").write_text(json.dumps(pixel_settings(family)))
    (made / "chat_template.jinja").write_text(chat_templates.QWEN_VL)


@functools.cache
def model(family: str, frames_per_second: float | None = None) -> Tiny:
    """A loaded model. Shared: tests must not change it."""
    loaded = load(
        folder(family), frame_size=frame_size(family), frames_per_second=frames_per_second
    )
    assert isinstance(loaded, Qwen25VL | Qwen3VL)
    return loaded


@functools.cache
def plain(family: str) -> Any:
    """The same weights in transformers' own hands."""
    from transformers import AutoModelForImageTextToText

    return AutoModelForImageTextToText.from_pretrained(folder(family)).eval()


def frame_size(family: str) -> tuple[int, int]:
    """Height and width in pixels of a frame of `GRID` tokens."""
    unit = 2 * _SIDES[family]
    return GRID[0] * unit, GRID[1] * unit


def pixel_settings(family: str) -> dict[str, Any]:
    """What the checkpoint says about pixels."""
    return {
        "size": {"shortest_edge": 4096, "longest_edge": 1_000_000},
        "patch_size": _SIDES[family],
        "merge_size": 2,
        "temporal_patch_size": 2,
        "image_mean": [0.48, 0.46, 0.41],
        "image_std": [0.27, 0.26, 0.28],
    }


def _config(family: str, vocabulary: int) -> Any:
    vision: dict[str, Any] = {
        "depth": 4,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_heads": 2,
        "patch_size": _SIDES[family],
        "out_hidden_size": _HIDDEN,
        "initializer_range": 0.15,
    }
    text: dict[str, Any] = {
        "vocab_size": vocabulary,
        "hidden_size": _HIDDEN,
        "intermediate_size": 2 * _HIDDEN,
        "num_hidden_layers": _LAYERS,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 8192,
        "initializer_range": 0.15,
        "bos_token_id": None,
        "eos_token_id": offline_tokenizer.END_ID,
    }
    ids: dict[str, Any] = {
        "vision_start_token_id": 3,
        "vision_end_token_id": 4,
        "image_token_id": 5,
        "video_token_id": 6,
    }
    rope: dict[str, Any]
    if family == "qwen2_5_vl":
        vision |= {"window_size": 56, "fullatt_block_indexes": [1, 3], "tokens_per_second": 2}
        rope = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [2, 3, 3]}
        return Qwen2_5_VLConfig(
            vision_config=vision, text_config={**text, "rope_parameters": rope}, **ids
        )
    vision |= {"num_position_embeddings": 64, "deepstack_visual_indexes": [0, 1, 2]}
    rope = {
        "rope_type": "default",
        "rope_theta": 10_000.0,
        "mrope_section": [4, 2, 2],
        "mrope_interleaved": True,
    }
    text |= {"head_dim": 16, "rope_parameters": rope}
    if family == "qwen3_vl":
        return Qwen3VLConfig(vision_config=vision, text_config=text, **ids)
    text |= {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 48}
    return Qwen3VLMoeConfig(vision_config=vision, text_config=text, **ids)


def pictures(family: str, frames: int, seed: int = 0) -> Tensor:
    """[2 * frames, 3, height, width] uint8, random."""
    height, width = frame_size(family)
    generator = torch.Generator().manual_seed(seed)
    size = (2 * frames, 3, height, width)
    return torch.randint(0, 256, size, dtype=torch.uint8, generator=generator)


def memory(
    of: Tiny, budget: int = 1000, headroom: int = 160, eager: bool = False, limit: int = 4096
) -> StreamMemory:
    """A memory with its prefix in place."""
    config = MemoryConfig(budget, headroom, limit, 256, "eager" if eager else "lazy")
    made = StreamMemory(of.shape, of.rotary, config, SlidingWindow())
    prefix = of.prefix()
    row = made.begin_prefix(len(prefix))
    of.forward(prefix, PackedPass([row]))
    made.commit(row)
    return made


def feed(of: Tiny, into: StreamMemory, frames: Tensor, start_ms: int = 0) -> None:
    """Take in frames one by one, compressing when there is no room for the next."""
    for index, features in enumerate(of.encode(frames)):
        if into.room() < of.layout.tokens:
            into.compress()
        row = into.begin_frames([FrameStamp(start_ms + index * 1000)], of.layout)
        of.forward(features, PackedPass([row]))
        into.commit(row)


def answer(of: Tiny, held: StreamMemory, text: str, tokens: int) -> tuple[list[int], Tensor]:
    """Greedy token ids and the logits [tokens, vocabulary] of each."""
    inputs = of.question(text)
    ids: list[int] = []
    seen: list[Tensor] = []
    with held.branch(len(inputs) + tokens) as branch:
        for _ in range(tokens):
            row = branch.row(len(inputs))
            hidden = of.forward(inputs, PackedPass([row]))
            branch.commit(row)
            seen.append(of.logits(hidden[-1]))
            ids.append(int(seen[-1].argmax()))
            inputs = of.embed(ids[-1:])
    return ids, torch.stack(seen)


def _token_ids(model: Tiny, frames: int, question: str, answer: list[int]) -> list[int]:
    """The plain model's tokens: the layout that we use, written out."""
    tokenizer, config = model.tokenizer, plain(model.model_type).config
    prefix = tokenizer(model.template.prefix, add_special_tokens=False)["input_ids"]
    patches = [config.video_token_id] * (GRID[0] * GRID[1])
    if model.model_type != "qwen2_5_vl":
        patches = [config.vision_start_token_id, *patches, config.vision_end_token_id]
    asked = model.template.question_ids(tokenizer, question)
    return [*prefix, *patches * frames, *asked, *answer]


def trained_positions(model: Tiny, ids: list[int], frames: int) -> Tensor:
    """[3, 1, n] for Qwen2.5-VL: its own rule except for the text after the video."""
    video = [
        index for index, id in enumerate(ids) if id == plain(model.model_type).config.video_token_id
    ]
    rows, columns = GRID
    start = video[0]
    positions = []
    for index in range(len(ids)):
        if index < start:
            positions.append((index, index, index))
        elif index in video:
            frame, patch = divmod(index - start, rows * columns)
            step = model.layout.advance[0]
            positions.append(
                (start + frame * step, start + patch // columns, start + patch % columns)
            )
        else:
            after = max(max(position) for position in positions) + 1
            positions.append((after, after, after))
    return torch.tensor(positions).T.unsqueeze(1)


def plain_logits(
    model: Tiny, pictures: Tensor, question: str, answer: list[int], *, own_positions: bool
) -> Tensor:
    """Logits [answer + 1, vocabulary] of the plain transformers model."""
    unmodified, frames = plain(model.model_type), len(pictures) // 2
    ids = _token_ids(model, frames, question, answer)
    pixels = to_pixels(pictures, model.pixels, torch.float32)
    more: dict[str, object] = {}
    if model.model_type == "qwen2_5_vl":
        more["second_per_grid_ts"] = [2 / model.patches.frames_per_second]
    if not own_positions:
        more["position_ids"] = trained_positions(model, ids, frames)
    tokens = torch.tensor([ids])
    with torch.inference_mode():
        output = unmodified(
            input_ids=tokens,
            pixel_values_videos=patchify(pixels, model.patches),
            video_grid_thw=torch.tensor([[frames, *(2 * side for side in GRID)]]),
            mm_token_type_ids=2 * (tokens == unmodified.config.video_token_id).int(),
            **more,
        )
    logits: Tensor = output.logits[0, -1 - len(answer) :]
    return logits
