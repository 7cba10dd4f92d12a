"""A complete tiny LLaVA-OneVision checkpoint, made on the spot: nothing to download.

Its weights are random, so its words mean nothing. Everything else is real: the
same transformers classes, files and code path as the 7B model.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from transformers import (
    GenerationConfig,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    PreTrainedTokenizerFast,
    Qwen2Config,
    SiglipVisionConfig,
)

from hermes.vlm import chat_templates, offline_tokenizer

NAME = "hermes-demo-untrained"
SIDE = 112
"""Width and height of the frames it takes, in pixels."""

_IMAGE, _VIDEO = "<image>", "<video>"


def build(folder: Path, *, seed: int = 0, layers: int = 10, hidden: int = 128) -> Path:
    """Write the checkpoint into `folder` (made if missing) and return it. About 3 MB."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = offline_tokenizer.build(
        [_IMAGE, _VIDEO], {"image_token": _IMAGE, "video_token": _VIDEO}
    )
    ids = tokenizer.get_vocab()
    config = LlavaOnevisionConfig(
        vision_config=SiglipVisionConfig(
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            image_size=SIDE,
            patch_size=14,
            vision_use_head=False,
        ),
        text_config=Qwen2Config(
            vocab_size=len(tokenizer),
            hidden_size=hidden,
            intermediate_size=hidden * 2,
            num_hidden_layers=layers,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=32_768,
            initializer_range=0.15,
            bos_token_id=None,
            eos_token_id=ids[offline_tokenizer.END],
            pad_token_id=ids[offline_tokenizer.END_OF_TEXT],
        ),
        image_token_index=ids[_IMAGE],
        video_token_index=ids[_VIDEO],
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
        tie_word_embeddings=False,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LlavaOnevisionForConditionalGeneration(config)
    _speak_words_only(model, tokenizer)
    model.generation_config = GenerationConfig(
        eos_token_id=ids[offline_tokenizer.END], pad_token_id=ids[offline_tokenizer.END_OF_TEXT]
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _write_processor(folder, (SIDE // 14) ** 2)
    return folder


def _speak_words_only(
    model: LlavaOnevisionForConditionalGeneration, tokenizer: PreTrainedTokenizerFast
) -> None:
    """Let only whole words win: nonsense is easier to look at than stray bytes."""
    words = torch.tensor(
        [token[:1] == "\u0120" and len(token) > 3 for token in _vocabulary(tokenizer)]
    )
    with torch.no_grad():
        model.lm_head.weight[~words] = 0


def _vocabulary(tokenizer: PreTrainedTokenizerFast) -> list[str]:
    return [str(tokenizer.convert_ids_to_tokens(i)) for i in range(len(tokenizer))]


def _write_processor(folder: Path, image_tokens: int) -> None:
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
        "num_image_tokens": image_tokens,
        "vision_feature_select_strategy": "full",
        "image_token": "<image>",
        "video_token": "<video>",
        "vision_aspect_ratio": "anyres_max_9",
    }
    for name, content in (
        ("preprocessor_config.json", image),
        ("video_preprocessor_config.json", video),
        ("processor_config.json", processor),
    ):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n")
    (folder / "chat_template.jinja").write_text(chat_templates.LLAVA_ONEVISION)
