"""Tiny checkpoints with the file set and the formats of those on the Hugging Face hub.

Sharded safetensors with an index, a tokenizer of the family's class with added tokens that are not
special, settings for pictures and video, a chat template and a generation configuration.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import torch
from transformers import (
    LlavaOnevisionConfig,
    Qwen2_5_VLConfig,
    Qwen2Config,
    Qwen2Tokenizer,
    Qwen3VLConfig,
    Qwen3VLMoeConfig,
    SiglipVisionConfig,
)

from tests.support import tiny_hub_templates as templates
from tests.support.run_folder import made_once

torch.set_num_threads(1)  # a second thread beside another process is slower than none

FAMILIES = ("llava_onevision", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe")
SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
    "<image>",
    "<video>",
)
NOT_SPECIAL = (
    "<tool_call>",
    "</tool_call>",
    "<|fim_prefix|>",
    "<|repo_name|>",
    "<think>",
    "</think>",
)
"""Added tokens that the tokenizer does not call special, as those of Qwen."""

HIDDEN = 64
LAYERS = 5
TEXT = (
    "What is happening now? What colour is the car? How many people are in the room? think tool",
    "Describe the scene. A person walks to the door, opens it and leaves. The light is on.",
)


@functools.cache
def folder(family: str, layers: int = LAYERS) -> Path:
    """A checkpoint's folder. Shared: copy it to change it."""
    return made_once(
        f"hermes-hub-{family}-{layers}", lambda made: build(family, made, layers=layers)
    )


def build(
    family: str, made: Path, *, tied: bool = False, seed: int = 0, layers: int = LAYERS
) -> Path:
    """Write a checkpoint of `family` into the folder `made`."""
    from transformers import AutoModelForImageTextToText

    tokenizer = _tokenizer()
    config = config_of(family, tokenizer.get_vocab(), tied=tied, layers=layers)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model: Any = AutoModelForImageTextToText.from_config(config)
    model.save_pretrained(made, max_shard_size="300KB")
    tokenizer.save_pretrained(made)
    (made / "chat_template.jinja").unlink(missing_ok=True)
    ids = tokenizer.get_vocab()
    ends = [ids["<|im_end|>"], ids["<|endoftext|>"]]
    files = {"generation_config.json": _generation(family) | {"eos_token_id": ends}}
    files |= _processor(family)
    for name, content in files.items():
        (made / name).write_text(json.dumps(content, indent=2) + "\n")
    write_template(made, templates.OF[family])
    return made


def write_template(made: Path, template: str, *, jinja: bool | None = None) -> None:
    """Write the chat template; `jinja`: as its own file, else as JSON (both without a choice)."""
    if jinja is not False:
        (made / "chat_template.jinja").write_text(template)
    if jinja is not True:
        (made / "chat_template.json").write_text(json.dumps({"chat_template": template}))


@functools.cache
def _tokenizer() -> Any:
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, trainers

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(TEXT, trainer)
    trained = json.loads(backend.to_str())["model"]
    merges: Any = [tuple(pair) for pair in trained["merges"]]
    tokenizer = Qwen2Tokenizer(vocab=trained["vocab"], merges=merges)
    tokenizer.add_tokens([AddedToken(text, special=True) for text in SPECIAL], special_tokens=True)
    tokenizer.add_tokens([AddedToken(text, special=False) for text in NOT_SPECIAL])
    tokenizer.eos_token, tokenizer.pad_token = "<|im_end|>", "<|endoftext|>"
    return tokenizer


def config_of(family: str, ids: dict[str, int], *, tied: bool = False, layers: int = LAYERS) -> Any:
    """The transformers configuration."""
    text: dict[str, Any] = {
        "vocab_size": len(ids) + 3,  # more rows than the tokenizer knows, as on the hub
        "hidden_size": HIDDEN,
        "intermediate_size": 2 * HIDDEN,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 8192,
        "initializer_range": 0.15,
        "bos_token_id": None,
        "eos_token_id": ids["<|im_end|>"],
        "tie_word_embeddings": tied,
    }
    if family == "llava_onevision":
        return _llava(text, ids, tied)
    marks: dict[str, Any] = {
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
        "tie_word_embeddings": tied,
    }
    vision: dict[str, Any] = {
        "depth": 4,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_heads": 2,
        "out_hidden_size": HIDDEN,
        "initializer_range": 0.15,
    }
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": 10_000.0}
    if family == "qwen2_5_vl":
        vision |= {
            "patch_size": 14,
            "window_size": 56,
            "fullatt_block_indexes": [1, 3],
            "tokens_per_second": 2,
        }
        text["rope_parameters"] = {**rope, "mrope_section": [2, 3, 3]}
        return Qwen2_5_VLConfig(vision_config=vision, text_config=text, **marks)
    vision |= {
        "patch_size": 16,
        "num_position_embeddings": 64,
        "deepstack_visual_indexes": [0, 1, 2],
    }
    text["rope_parameters"] = {**rope, "mrope_section": [4, 2, 2], "mrope_interleaved": True}
    text["head_dim"] = 16
    if family == "qwen3_vl":
        return Qwen3VLConfig(vision_config=vision, text_config=text, **marks)
    experts = {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 48}
    return Qwen3VLMoeConfig(vision_config=vision, text_config={**text, **experts}, **marks)


def _llava(text: dict[str, Any], ids: dict[str, int], tied: bool) -> Any:
    return LlavaOnevisionConfig(
        vision_config=SiglipVisionConfig(
            hidden_size=48,
            intermediate_size=96,
            num_hidden_layers=3,
            num_attention_heads=3,
            image_size=64,
            patch_size=8,
            vision_use_head=False,
        ),
        text_config=Qwen2Config(**text),
        image_token_index=ids["<image>"],
        video_token_index=ids["<video>"],
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
        tie_word_embeddings=tied,
    )


def _generation(family: str) -> dict[str, Any]:
    """What the published checkpoints say about decoding."""
    sampling = {"do_sample": True, "top_p": 0.8, "top_k": 20, "temperature": 0.7}
    return {
        "llava_onevision": {},
        "qwen2_5_vl": {"do_sample": True, "repetition_penalty": 1.05, "temperature": 1e-6},
        "qwen3_vl": sampling | {"repetition_penalty": 1.0},
        "qwen3_vl_moe": sampling | {"repetition_penalty": 1.0},
    }[family]


def _processor(family: str) -> dict[str, Any]:
    """The settings of the processors, in the files and forms that each family has on the hub."""
    if family == "llava_onevision":
        grey = {
            "size": {"height": 64, "width": 64},
            "resample": 3,
            "do_resize": True,
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "do_convert_rgb": True,
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5],
        }
        named = {"processor_class": "LlavaOnevisionProcessor"}
        return {
            "preprocessor_config.json": {
                **grey,
                **named,
                "image_processor_type": "LlavaOnevisionImageProcessor",
                "image_grid_pinpoints": [[64, 64]],
            },
            "video_preprocessor_config.json": {
                **grey,
                **named,
                "video_processor_type": "LlavaOnevisionVideoProcessor",
            },
            "processor_config.json": {
                **named,
                "num_image_tokens": 64,
                "vision_feature_select_strategy": "full",
                "image_token": "<image>",
                "video_token": "<video>",
                "vision_aspect_ratio": "anyres_max_9",
            },
        }
    if family == "qwen2_5_vl":
        return {
            "preprocessor_config.json": {
                "min_pixels": 3136,
                "max_pixels": 1_000_000,
                "patch_size": 14,
                "temporal_patch_size": 2,
                "merge_size": 2,
                "image_mean": [0.48145466, 0.4578275, 0.40821073],
                "image_std": [0.26862954, 0.26130258, 0.27577711],
                "image_processor_type": "Qwen2VLImageProcessor",
                "processor_class": "Qwen2_5_VLProcessor",
            }
        }
    settings = {
        "size": {"shortest_edge": 4096, "longest_edge": 25_165_824},
        "patch_size": 16,
        "temporal_patch_size": 2,
        "merge_size": 2,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "processor_class": "Qwen3VLProcessor",
    }
    return {
        "preprocessor_config.json": {
            **settings,
            "image_processor_type": "Qwen2VLImageProcessorFast",
        },
        "video_preprocessor_config.json": {
            **settings,
            "video_processor_type": "Qwen3VLVideoProcessor",
        },
    }
