"""The demo model's checkpoint: a small, complete LLaVA-OneVision.

The same transformers classes, files and code path as the 7B model. `WEIGHTS`
is the trained one that comes with the package; `build` makes one with random
weights, whose words mean nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import (
    GenerationConfig,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    PreTrainedTokenizerFast,
    Qwen2Config,
    SiglipVisionConfig,
)

from hermes.demo import words
from hermes.demo.limits import SIDE as SIDE
from hermes.vlm import chat_templates

NAME = "hermes-demo"
WEIGHTS = Path(__file__).parent / "weights"
"""Folder of the trained checkpoint."""

PATCH = 8
FRAME_TOKENS = (SIDE // PATCH // 2) ** 2
POSITIONS = 512
"""Positions that the trained model was made for: about 24 frames and a question."""


def config_of(
    tokenizer: PreTrainedTokenizerFast,
    *,
    layers: int,
    hidden: int,
    positions: int,
    spread: float,
) -> Any:
    """The transformers configuration. Ten layers are the fewest that fill all three bands."""
    ids = tokenizer.get_vocab()
    return LlavaOnevisionConfig(
        vision_config=SiglipVisionConfig(
            hidden_size=96,
            intermediate_size=192,
            num_hidden_layers=4,
            num_attention_heads=3,
            image_size=SIDE,
            patch_size=PATCH,
            vision_use_head=False,
        ),
        text_config=Qwen2Config(
            vocab_size=len(tokenizer),
            hidden_size=hidden,
            intermediate_size=hidden * 3,
            num_hidden_layers=layers,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=positions,
            initializer_range=spread,
            bos_token_id=None,
            eos_token_id=ids[words.END],
            pad_token_id=ids[words.PAD],
        ),
        image_token_index=ids[words.IMAGE],
        video_token_index=ids[words.VIDEO],
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
        tie_word_embeddings=False,
    )


def model_of(
    tokenizer: PreTrainedTokenizerFast,
    *,
    seed: int,
    layers: int = 10,
    hidden: int = 128,
    positions: int = POSITIONS,
    spread: float = 0.02,
) -> LlavaOnevisionForConditionalGeneration:
    """A model with random weights, `spread` their standard deviation in the decoder."""
    config = config_of(tokenizer, layers=layers, hidden=hidden, positions=positions, spread=spread)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LlavaOnevisionForConditionalGeneration(config)
    ids = tokenizer.get_vocab()
    model.generation_config = GenerationConfig(
        eos_token_id=ids[words.END], pad_token_id=ids[words.PAD]
    )
    return model


def build(
    folder: Path,
    *,
    seed: int = 0,
    layers: int = 10,
    hidden: int = 128,
    positions: int = 32_768,
) -> Path:
    """Write a checkpoint with random weights into `folder` (made if missing) and return it.

    It talks without end: no special token ever wins.
    """
    tokenizer = words.build()
    model = model_of(
        tokenizer, seed=seed, layers=layers, hidden=hidden, positions=positions, spread=0.15
    )
    with torch.no_grad():
        model.lm_head.weight[: len(words.SPECIAL)] = 0
    return write(folder, model, tokenizer)


def write(
    folder: Path,
    model: LlavaOnevisionForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
) -> Path:
    """Write a complete checkpoint into `folder` (made if missing) and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _write_processor(folder)
    return folder


def _write_processor(folder: Path) -> None:
    pixels = {
        "do_resize": True,
        "size": {"height": SIDE, "width": SIDE},
        "resample": 3,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "do_convert_rgb": True,
    }
    image = {
        "image_processor_type": "LlavaOnevisionImageProcessor",
        "image_grid_pinpoints": [[SIDE, SIDE]],
        **pixels,
    }
    video = {"video_processor_type": "LlavaOnevisionVideoProcessor", **pixels}
    processor = {
        "processor_class": "LlavaOnevisionProcessor",
        "num_image_tokens": (SIDE // PATCH) ** 2,
        "vision_feature_select_strategy": "full",
        "image_token": words.IMAGE,
        "video_token": words.VIDEO,
        "vision_aspect_ratio": "anyres_max_9",
    }
    for name, content in (
        ("preprocessor_config.json", image),
        ("video_preprocessor_config.json", video),
        ("processor_config.json", processor),
    ):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n")
    (folder / "chat_template.jinja").write_text(chat_templates.LLAVA_ONEVISION)
