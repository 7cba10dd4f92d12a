"""An adapter (LoRA) is loaded where peft is installed, and refused by name elsewhere."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from hermes.errors import InvalidInput, Unsupported
from hermes.memory import PackedPass
from hermes.vlm import VideoMemory, load
from tests.support import tiny_hub

HAS_PEFT = importlib.util.find_spec("peft") is not None
needs_peft = pytest.mark.skipif(not HAS_PEFT, reason="peft is not installed")
FAMILY = "qwen2_5_vl"
RANK = 2
WEIGHT = "model.language_model.layers.1.self_attn.q_proj"


def write_adapter(folder: Path, base: Path | None, *, weight: str = WEIGHT) -> Path:
    """A LoRA of one weight in `folder`."""
    folder.mkdir(exist_ok=True)
    settings = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": None if base is None else str(base),
        "r": RANK,
        "lora_alpha": 2 * RANK,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": ["q_proj"],
        "layers_to_transform": [1],
        "layers_pattern": "language_model.layers",
    }
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    down, up = adapter_weights()
    named = {f"base_model.model.{weight}.lora_A.weight": down}
    named[f"base_model.model.{weight}.lora_B.weight"] = up
    save_file(named, folder / "adapter_model.safetensors", {"format": "pt"})
    return folder


def adapter_weights() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(7)
    width = tiny_hub.HIDDEN
    return (
        torch.randn(RANK, width, generator=generator),
        torch.randn(width, RANK, generator=generator),
    )


def logits(folder: Path) -> torch.Tensor:
    """What the model says after a question, without a video."""
    model = load(folder)
    memory = VideoMemory(model, "sliding-window", budget=1000)
    inputs = model.question("Who is there?")
    with torch.inference_mode(), memory.branch(len(inputs)) as branch:
        hidden = model.forward(inputs, PackedPass([branch.row(len(inputs))]))
        return model.logits(hidden[-1])


@pytest.fixture
def merged(tmp_path: Path) -> Path:
    """The base model with the adapter added to its weights by hand."""
    copy = shutil.copytree(tiny_hub.folder(FAMILY), tmp_path / "merged")
    down, up = adapter_weights()
    for shard in copy.glob("*.safetensors"):
        weights = load_file(shard)
        for key in weights:
            if key.endswith("layers.1.self_attn.q_proj.weight") and "visual" not in key:
                weights[key] = weights[key] + 2 * up @ down
        save_file(weights, shard, {"format": "pt"})
    return copy


@pytest.mark.skipif(HAS_PEFT, reason="peft is installed")
@pytest.mark.parametrize("beside", [True, False])
def test_an_adapter_is_refused_by_name_without_peft(tmp_path: Path, beside: bool) -> None:
    base = tiny_hub.folder(FAMILY)
    made = tmp_path / "adapter"
    if beside:
        shutil.copytree(base, made)
    write_adapter(made, base)
    with pytest.raises(Unsupported, match=r"adapter \(LORA\): install peft"):
        load(made)


def test_an_adapter_without_a_base_model_is_refused(tmp_path: Path) -> None:
    made = write_adapter(tmp_path / "adapter", None)
    with pytest.raises(InvalidInput, match="does not name its base model"):
        load(made)


def test_an_adapter_whose_base_model_is_gone_is_refused(tmp_path: Path) -> None:
    made = write_adapter(tmp_path / "adapter", tmp_path / "gone")
    with pytest.raises(InvalidInput, match="gone' is neither a folder"):
        load(made)


@needs_peft
@pytest.mark.parametrize("beside", [True, False])
def test_an_adapter_changes_the_weights(tmp_path: Path, merged: Path, beside: bool) -> None:
    base = tiny_hub.folder(FAMILY)
    made = tmp_path / "adapter"
    if beside:
        shutil.copytree(base, made)
    write_adapter(made, base)
    found = logits(made)
    assert torch.allclose(found, logits(merged), atol=1e-4)
    assert not torch.allclose(found, logits(base), atol=1e-2)


@needs_peft
def test_an_adapter_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    made = write_adapter(
        tmp_path / "adapter", tiny_hub.folder(FAMILY), weight=WEIGHT.replace("q_proj", "z_proj")
    )
    with pytest.raises(InvalidInput, match="does not fit"):
        load(made)
