"""Models of true size: published dimensions, and usable at once."""

from __future__ import annotations

import pytest
import torch

from hermes.errors import InvalidInput
from hermes.vlm import VideoMemory
from hermes.vlm.shapes import SHAPES, config_of, random_model

# Decoder: layers, width, feed-forward width, heads, KV heads, head size, vocabulary.
# Tower: layers, width. Parameters in thousand millions.
PUBLISHED = {
    "llava-onevision-0.5b": ((24, 896, 4864, 14, 2, 64, 152_000), (26, 1152), 0.894),
    "llava-onevision-7b": ((28, 3584, 18_944, 28, 4, 128, 152_128), (26, 1152), 8.03),
    "qwen2.5-vl-7b": ((28, 3584, 18_944, 28, 4, 128, 152_064), (32, 1280), 8.292),
    "qwen3-vl-8b": ((36, 4096, 12_288, 32, 8, 128, 151_936), (27, 1152), 8.767),
    "qwen3-vl-30b-a3b": ((48, 2048, 6144, 32, 4, 128, 151_936), (27, 1152), 31.07),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_dimensions_are_the_published_ones(name: str) -> None:
    from transformers import AutoModelForImageTextToText

    decoder, tower, parameters = PUBLISHED[name]
    config = config_of(name)
    text, vision = config.text_config, config.vision_config
    assert decoder == (
        text.num_hidden_layers,
        text.hidden_size,
        text.intermediate_size,
        text.num_attention_heads,
        text.num_key_value_heads,
        getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads,
        text.vocab_size,
    )
    depth = vision.depth if hasattr(vision, "depth") else vision.num_hidden_layers
    assert tower == (depth, vision.hidden_size)
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count / 1e9 == pytest.approx(parameters, rel=2e-3)


def test_all_are_covered() -> None:
    assert set(PUBLISHED) == set(SHAPES)


def test_a_model_is_usable_at_once() -> None:
    model = random_model("llava-onevision-0.5b", dtype=torch.bfloat16, layers=2)
    assert model.shape.dtype == torch.bfloat16
    assert (model.shape.layers, model.shape.kv_heads, model.shape.head_dim) == (2, 2, 64)
    assert (model.layout.tokens, model.frame_size) == (196, (384, 384))
    memory = VideoMemory(model, budget=800)
    memory.feed(torch.zeros((1, 3, 384, 384), dtype=torch.uint8))
    memory.ask("What is happening?", max_tokens=3)
    assert memory.coverage().frames_seen == 1


def test_unknown_shapes_are_named() -> None:
    with pytest.raises(
        InvalidInput, match=r"'gpt' is no known shape; known: llava-onevision-0\.5b"
    ):
        random_model("gpt")
    with pytest.raises(InvalidInput, match="layers"):
        random_model("qwen3-vl-8b", layers=0)
