"""Forms that real checkpoints have, and that are not faults: each loads and says the same."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from hermes.vlm import VideoMemory, load
from tests.support import tiny_hub

INDEX = "model.safetensors.index.json"


def answer(folder: Path) -> str:
    model = load(folder)
    memory = VideoMemory(model, "sliding-window", budget=1000)
    generator = torch.Generator().manual_seed(3)
    size = (model.pictures_per_frame, 3, *model.frame_size)
    memory.feed(torch.randint(0, 256, size, dtype=torch.uint8, generator=generator))
    return memory.ask("Who is there?", 12)


def rewrite(folder: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> None:
    """Change the weights of each shard, and the index with them."""
    where: dict[str, str] = {}
    for shard in sorted(folder.glob("*.safetensors")):
        weights = change(load_file(shard))
        save_file(weights, shard, {"format": "pt"})
        where |= dict.fromkeys(weights, shard.name)
    index = json.loads((folder / INDEX).read_text())
    (folder / INDEX).write_text(json.dumps(index | {"weight_map": where}))


def copied(family: str, folder: Path) -> Path:
    return shutil.copytree(tiny_hub.folder(family), folder)


@pytest.mark.parametrize("family", tiny_hub.FAMILIES)
def test_one_file_without_an_index(family: str, tmp_path: Path) -> None:
    copy = copied(family, tmp_path / "copy")
    whole: dict[str, Any] = {}
    for shard in copy.glob("*.safetensors"):
        whole |= load_file(shard)
        shard.unlink()
    (copy / INDEX).unlink()
    save_file(whole, copy / "model.safetensors", {"format": "pt"})
    assert answer(copy) == answer(tiny_hub.folder(family))


@pytest.mark.parametrize("stored", [False, True], ids=["left out", "stored twice"])
@pytest.mark.parametrize("family", tiny_hub.FAMILIES)
def test_tied_embeddings(family: str, stored: bool, tmp_path: Path) -> None:
    copy = tiny_hub.build(family, tmp_path / "copy", tied=True)
    expected = answer(copy)
    head = "language_model.lm_head.weight" if family == "llava_onevision" else "lm_head.weight"

    def add(weights: dict[str, Tensor]) -> dict[str, Tensor]:
        for key in [key for key in weights if key.endswith("embed_tokens.weight")]:
            weights[head] = weights[key].clone()
        return weights

    if stored:
        rewrite(copy, add)
        assert head in json.loads((copy / INDEX).read_text())["weight_map"]
    assert answer(copy) == expected


def test_names_of_the_tower_as_the_hub_has_them(tmp_path: Path) -> None:
    copy = copied("llava_onevision", tmp_path / "copy")
    rewrite(
        copy,
        lambda weights: {
            key.replace("vision_tower.", "vision_tower.vision_model."): value
            for key, value in weights.items()
        },
    )
    assert answer(copy) == answer(tiny_hub.folder("llava_onevision"))


def test_values_that_older_versions_stored_and_this_one_computes(tmp_path: Path) -> None:
    copy = copied("llava_onevision", tmp_path / "copy")

    def add(weights: dict[str, Tensor]) -> dict[str, Tensor]:
        if any("layers.0.self_attn.q_proj" in key for key in weights):
            positions = torch.arange(64).unsqueeze(0)
            weights["vision_tower.vision_model.embeddings.position_ids"] = positions
            weights["language_model.model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(8)
        return weights

    rewrite(copy, add)
    assert answer(copy) == answer(tiny_hub.folder("llava_onevision"))


@pytest.mark.parametrize("family", tiny_hub.FAMILIES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_of_half_precision(family: str, dtype: torch.dtype, tmp_path: Path) -> None:
    copy = copied(family, tmp_path / "copy")
    rewrite(copy, lambda weights: {key: value.to(dtype) for key, value in weights.items()})
    model = load(copy)
    assert model.shape.dtype == torch.float32
    assert load(copy, dtype=dtype).shape.dtype == dtype


@pytest.mark.parametrize("jinja", [True, False])
def test_the_chat_template_in_one_form_alone(jinja: bool, tmp_path: Path) -> None:
    copy = copied("qwen2_5_vl", tmp_path / "copy")
    (copy / ("chat_template.json" if jinja else "chat_template.jinja")).unlink()
    assert answer(copy) == answer(tiny_hub.folder("qwen2_5_vl"))


def test_of_several_templates_the_default_one_is_taken(tmp_path: Path) -> None:
    copy = copied("qwen3_vl", tmp_path / "copy")
    template = (copy / "chat_template.jinja").read_text()
    for name in ("chat_template.jinja", "chat_template.json"):
        (copy / name).unlink()
    path = copy / "tokenizer_config.json"
    named = [{"name": "tool_use", "template": "x"}, {"name": "default", "template": template}]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"chat_template": named}))
    assert answer(copy) == answer(tiny_hub.folder("qwen3_vl"))
