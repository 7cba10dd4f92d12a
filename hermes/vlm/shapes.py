"""Models of real size with random weights, for measuring without a download.

Dimensions are those of the published checkpoints: answers mean nothing, but
time and memory are real.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hermes.errors import InvalidInput
from hermes.vlm import chat_templates, offline_tokenizer
from hermes.vlm.base import VideoModel
from hermes.vlm.loading import FAMILIES

Ids = dict[str, int]
"""Token ids by token."""

QWEN_VL_MARKS = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
_LLAVA_MARKS = ("<image>", "<video>")

_LLAVA_PIXELS = {
    "size": {"height": 384, "width": 384},
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}
_QWEN2_5_PIXELS = {
    "size": {"shortest_edge": 3136, "longest_edge": 12_845_056},
    "patch_size": 14,
    "merge_size": 2,
    "temporal_patch_size": 2,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
_QWEN3_PIXELS = {
    "size": {"shortest_edge": 4096, "longest_edge": 25_165_824},
    "patch_size": 16,
    "merge_size": 2,
    "temporal_patch_size": 2,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}


@dataclass(frozen=True, slots=True)
class _Shape:
    config: Callable[[Ids, int | None], Any]
    pixels: dict[str, Any]
    template: str
    marks: tuple[str, ...]


def random_model(
    name: str,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.bfloat16,
    layers: int | None = None,
    **options: Any,
) -> VideoModel:
    """A model of one of `SHAPES`, with random weights made on the device in `dtype`.

    `layers`: the most layers of decoder and tower, for a quick try.
    `options`: those of its family, such as `frame_size`, `frames_per_second`.
    """
    from transformers import AutoModelForImageTextToText, GenerationConfig

    config, shape = config_of(name, layers), SHAPES[name]
    with torch.device(device):
        model: Any = AutoModelForImageTextToText.from_config(config, dtype=dtype)
    model.eval()
    model.requires_grad_(False)
    model.generation_config = GenerationConfig(eos_token_id=config.text_config.eos_token_id)
    with tempfile.TemporaryDirectory(prefix="hermes-shape-") as made:
        folder = Path(made)
        (folder / "preprocessor_config.json").write_text(json.dumps(shape.pixels))
        (folder / "chat_template.jinja").write_text(shape.template)
        family = FAMILIES[config.model_type]
        return family(model, _tokenizer(shape), folder, f"{name}-random", **options)


def config_of(name: str, layers: int | None = None) -> Any:
    """The transformers configuration of one of `SHAPES`."""
    if name not in SHAPES:
        raise InvalidInput("model", f"{name!r} is no known shape; known: {', '.join(SHAPES)}")
    if layers is not None and layers < 1:
        raise InvalidInput("layers", "must be at least 1")
    shape = SHAPES[name]
    config = shape.config(_tokenizer(shape).get_vocab(), layers)
    config.text_config.eos_token_id = offline_tokenizer.END_ID
    config.text_config.bos_token_id = None
    return config


def _tokenizer(shape: _Shape) -> Any:
    return offline_tokenizer.build(shape.marks, {})


def _few(layers: int, most: int | None) -> int:
    return layers if most is None else min(layers, most)


def _llava(ids: Ids, layers: int | None, *, tied: bool, **text: Any) -> Any:
    from transformers import LlavaOnevisionConfig, Qwen2Config, SiglipVisionConfig

    depth = _few(text.pop("num_hidden_layers"), layers)
    return LlavaOnevisionConfig(
        vision_config=SiglipVisionConfig(
            hidden_size=1152,
            intermediate_size=4304,
            num_hidden_layers=_few(26, layers),
            num_attention_heads=16,
            image_size=384,
            patch_size=14,
            vision_use_head=False,
        ),
        text_config=Qwen2Config(
            **text,
            num_hidden_layers=depth,
            max_position_embeddings=32_768,
            rms_norm_eps=1e-6,
            rope_parameters={"rope_type": "default", "rope_theta": 1_000_000.0},
            tie_word_embeddings=tied,
        ),
        image_token_index=ids["<image>"],
        video_token_index=ids["<video>"],
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
        tie_word_embeddings=tied,
    )


def _llava_half_billion(ids: Ids, layers: int | None) -> Any:
    return _llava(
        ids,
        layers,
        tied=True,
        vocab_size=152_000,
        hidden_size=896,
        intermediate_size=4864,
        num_hidden_layers=24,
        num_attention_heads=14,
        num_key_value_heads=2,
    )


def _llava_seven_billion(ids: Ids, layers: int | None) -> Any:
    return _llava(
        ids,
        layers,
        tied=False,
        vocab_size=152_128,
        hidden_size=3584,
        intermediate_size=18_944,
        num_hidden_layers=28,
        num_attention_heads=28,
        num_key_value_heads=4,
    )


def _qwen_ids(ids: Ids) -> dict[str, Any]:
    names = ("vision_start_token_id", "vision_end_token_id", "image_token_id", "video_token_id")
    return {name: ids[mark] for name, mark in zip(names, QWEN_VL_MARKS, strict=True)}


def _qwen2_5_seven_billion(ids: Ids, layers: int | None) -> Any:
    from transformers import Qwen2_5_VLConfig

    depth = _few(32, layers)
    return Qwen2_5_VLConfig(
        vision_config={
            "depth": depth,
            "hidden_size": 1280,
            "intermediate_size": 3420,
            "num_heads": 16,
            "patch_size": 14,
            "window_size": 112,
            "fullatt_block_indexes": [index for index in (7, 15, 23, 31) if index < depth],
            "out_hidden_size": 3584,
            "tokens_per_second": 2,
        },
        text_config={
            "vocab_size": 152_064,
            "hidden_size": 3584,
            "intermediate_size": 18_944,
            "num_hidden_layers": _few(28, layers),
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
            "max_position_embeddings": 128_000,
            "rms_norm_eps": 1e-6,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1_000_000.0,
                "mrope_section": [16, 24, 24],
            },
        },
        **_qwen_ids(ids),
    )


def _qwen3(ids: Ids, layers: int | None, *, kind: Any, hidden: int, **text: Any) -> Any:
    depth = _few(27, layers)
    return kind(
        vision_config={
            "depth": depth,
            "hidden_size": 1152,
            "intermediate_size": 4304,
            "num_heads": 16,
            "patch_size": 16,
            "num_position_embeddings": 2304,
            "deepstack_visual_indexes": [index for index in (8, 16, 24) if index < depth],
            "out_hidden_size": hidden,
        },
        text_config={
            **text,
            "num_hidden_layers": _few(text["num_hidden_layers"], layers),
            "vocab_size": 151_936,
            "hidden_size": hidden,
            "num_attention_heads": 32,
            "head_dim": 128,
            "max_position_embeddings": 262_144,
            "rms_norm_eps": 1e-6,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 5_000_000.0,
                "mrope_section": [24, 20, 20],
                "mrope_interleaved": True,
            },
        },
        **_qwen_ids(ids),
    )


def _qwen3_eight_billion(ids: Ids, layers: int | None) -> Any:
    from transformers import Qwen3VLConfig

    return _qwen3(
        ids,
        layers,
        kind=Qwen3VLConfig,
        hidden=4096,
        intermediate_size=12_288,
        num_hidden_layers=36,
        num_key_value_heads=8,
    )


def _qwen3_thirty_billion(ids: Ids, layers: int | None) -> Any:
    from transformers import Qwen3VLMoeConfig

    return _qwen3(
        ids,
        layers,
        kind=Qwen3VLMoeConfig,
        hidden=2048,
        intermediate_size=6144,
        num_hidden_layers=48,
        num_key_value_heads=4,
        num_experts=128,
        num_experts_per_tok=8,
        moe_intermediate_size=768,
    )


SHAPES = {
    "llava-onevision-0.5b": _Shape(
        _llava_half_billion, _LLAVA_PIXELS, chat_templates.LLAVA_ONEVISION, _LLAVA_MARKS
    ),
    "llava-onevision-7b": _Shape(
        _llava_seven_billion, _LLAVA_PIXELS, chat_templates.LLAVA_ONEVISION, _LLAVA_MARKS
    ),
    "qwen2.5-vl-7b": _Shape(
        _qwen2_5_seven_billion, _QWEN2_5_PIXELS, chat_templates.QWEN_VL, QWEN_VL_MARKS
    ),
    "qwen3-vl-8b": _Shape(
        _qwen3_eight_billion, _QWEN3_PIXELS, chat_templates.QWEN_VL, QWEN_VL_MARKS
    ),
    "qwen3-vl-30b-a3b": _Shape(
        _qwen3_thirty_billion, _QWEN3_PIXELS, chat_templates.QWEN_VL, QWEN_VL_MARKS
    ),
}
"""Shapes by name."""
