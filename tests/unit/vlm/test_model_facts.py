"""What is said about a model from its small files is what it is once it is loaded."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from hermes.engine import EngineConfig
from hermes.engine.gpus import GPUS, cameras_on, memory_bytes, memory_tokens
from hermes.errors import InvalidInput, Unsupported
from hermes.vlm import VideoMemory, load
from hermes.vlm.model_facts import ModelFacts
from hermes.vlm.model_folder import ModelFolder
from hermes.vlm.shapes import config_of
from tests.support import tiny_hub
from tests.support import tiny_hub_templates as templates

# Published models: the family, and whether an L40S holds the weights.
TRUE_SIZES = {
    "llava-onevision-7b": ("llava_onevision", True),
    "qwen2.5-vl-7b": ("qwen2_5_vl", True),
    "qwen3-vl-8b": ("qwen3_vl", True),
    "qwen3-vl-30b-a3b": ("qwen3_vl_moe", False),
}


def facts_of(folder: Path, **options: Any) -> ModelFacts:
    return ModelFacts.of(ModelFolder.find(str(folder)), **options)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return shutil.copytree(tiny_hub.folder("qwen3_vl"), tmp_path / "copy")


@pytest.mark.parametrize("family", tiny_hub.FAMILIES)
@pytest.mark.parametrize("frame_size", [None, (224, 448)])
def test_facts_are_those_of_the_loaded_model(
    family: str, frame_size: tuple[int, int] | None
) -> None:
    if family == "llava_onevision" and frame_size is not None:
        pytest.skip("takes frames of one size")
    folder = tiny_hub.folder(family)
    facts = facts_of(folder, frame_size=frame_size)
    model: Any = load(folder, dtype=torch.bfloat16, frame_size=frame_size)
    assert facts.problems == ()
    assert facts.family == model.model_type
    assert replace(facts.shape, device=model.shape.device) == model.shape
    assert facts.frame_size == model.frame_size
    assert facts.frame_tokens == model.most_frame_tokens
    assert facts.pictures_per_frame == model.pictures_per_frame
    assert facts.position_limit == model.position_limit
    assert facts.prefix_tokens == len(model.prefix())
    assert (facts.thinking, facts.adapter, facts.quantisation) == (False, False, None)
    parameters = sum(each.numel() for each in model.language.parameters())
    assert parameters < facts.parameters
    memory = VideoMemory(model, budget=1000)
    config = EngineConfig(budget_tokens=1000)
    assert memory_tokens(facts, config) == memory.cache.capacity


@pytest.mark.parametrize("tokens", [8, 60, 300])
@pytest.mark.parametrize("picture", [None, (480, 640), (1920, 1080), (70, 50)])
@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_tokens_follow_their_bound_and_the_shape_of_the_picture(
    family: str, tokens: int, picture: tuple[int, int] | None
) -> None:
    facts = facts_of(tiny_hub.folder(family), frame_tokens=tokens, picture=picture)
    model: Any = bounded(family, tokens)
    size = model.frame_size if picture is None else picture
    assert facts.frame_size == model.fitted(size)
    assert facts.frame_tokens == model.frame_tokens(size) <= facts.most_frame_tokens
    assert facts.most_frame_tokens == model.most_frame_tokens
    memory = VideoMemory(model, budget=1000)
    assert memory_tokens(facts, EngineConfig(budget_tokens=1000)) == memory.cache.capacity


@cache
def bounded(family: str, tokens: int) -> Any:
    return load(tiny_hub.folder(family), frame_tokens=tokens)


@pytest.mark.parametrize("shape", TRUE_SIZES)
def test_cameras_on_gpus(shape: str, tmp_path: Path) -> None:
    family, on_l40s = TRUE_SIZES[shape]
    copy = shutil.copytree(
        tiny_hub.folder(family), tmp_path / "copy", ignore=shutil.ignore_patterns("model*")
    )
    ids = json.loads((copy / "config.json").read_text())
    config_of(shape).save_pretrained(copy)
    true = json.loads((copy / "config.json").read_text())
    true |= {name: id for name, id in ids.items() if "token_i" in name}
    (copy / "config.json").write_text(json.dumps(true))
    if family == "llava_onevision":
        for path in copy.glob("*preprocessor_config.json"):
            path.write_text(path.read_text().replace('": 64', '": 384'))
    facts = facts_of(copy)
    assert facts.problems == (f"model: {copy} has no weights: fetch it again",)
    config = EngineConfig(max_cameras=10_000)
    cameras = {gpu: cameras_on(gpu, facts, config) for gpu in GPUS}
    assert (cameras["L40S"] > 0) == on_l40s
    assert cameras["A100 80GB"] == cameras["H100 80GB"] > cameras["A100 40GB"]
    assert cameras["H200"] * memory_bytes(facts, config) < GPUS["H200"] - facts.weight_bytes
    assert cameras["H200"] > 30


def test_a_model_that_thinks_is_known_by_its_template(copy: Path) -> None:
    tiny_hub.write_template(copy, templates.QWEN3_VL_THINKING)
    assert facts_of(copy).thinking


def test_everything_that_is_wrong_is_said_at_once(copy: Path) -> None:
    next(copy.glob("*.safetensors")).unlink()
    (copy / "tokenizer.json").write_text("{")
    config = json.loads((copy / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "own"}
    (copy / "config.json").write_text(json.dumps(config))
    (copy / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA"}))
    found = "\n".join(facts_of(copy).problems)
    for problem in ("is missing", "tokenizer", "'own'"):
        assert problem in found


def test_weights_that_were_not_to_be_fetched_are_not_missed(copy: Path) -> None:
    for shard in copy.glob("*.safetensors"):
        shard.unlink()
    folder = ModelFolder.find(str(copy))
    assert ModelFacts.of(folder).problems
    assert ModelFacts.of(replace(folder, fetched=False)).problems == ()


def test_what_cannot_be_told_is_an_error(copy: Path) -> None:
    (copy / "video_preprocessor_config.json").unlink()
    (copy / "preprocessor_config.json").unlink()
    with pytest.raises(Unsupported, match=r"preprocessor_config\.json"):
        facts_of(copy)
    with pytest.raises(InvalidInput, match="frame_size"):
        facts_of(tiny_hub.folder("qwen3_vl"), frame_size=(100, 100))
