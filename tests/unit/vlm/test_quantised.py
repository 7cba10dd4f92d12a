"""Quantised weights load where the package for them is installed; elsewhere they are refused."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from hermes.errors import Unsupported
from hermes.memory import PackedPass
from hermes.vlm import VideoMemory, load
from tests.support import tiny_hub

FAMILY = "qwen2_5_vl"
REFUSED = [
    ({"quant_method": "awq", "bits": 4, "group_size": 128}, "awq", "gptqmodel"),
    ({"quant_method": "gptq", "bits": 4, "group_size": 128}, "gptq", "optimum"),
    ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes", "accelerate"),
    ({"load_in_8bit": True}, "bitsandbytes", "accelerate"),
    ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8", "accelerate"),
    (
        {"quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups": {}},
        "compressed-tensors",
        "compressed-tensors",
    ),
    ({"quant_method": "torchao", "quant_type": "int8wo"}, "torchao", "install torchao"),
    ({"quant_method": "quanto", "weights": "int8"}, "quanto", "optimum-quanto"),
]


def needs(*packages: str) -> pytest.MarkDecorator:
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


def quantised(tmp_path: Path, settings: object) -> Path:
    """A checkpoint that says that it is quantised."""
    copy = shutil.copytree(tiny_hub.folder(FAMILY), tmp_path / "copy")
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"quantization_config": settings}))
    return copy


@pytest.mark.parametrize(("settings", "method", "package"), REFUSED)
def test_a_method_without_its_package_is_refused_with_what_to_install(
    tmp_path: Path, settings: dict[str, Any], method: str, package: str
) -> None:
    if importlib.util.find_spec("accelerate") is not None:
        pytest.skip("accelerate is installed, and with it may be the others")
    with pytest.raises(Unsupported, match=rf"quantised \({method}\)(.|\n)*{package}"):
        load(quantised(tmp_path, settings))


@pytest.mark.parametrize("settings", [{"quant_method": "own"}, {}, {"bits": 4}])
def test_a_method_that_is_not_known_is_refused_by_name(tmp_path: Path, settings: object) -> None:
    with pytest.raises(Unsupported, match="are quantised by"):
        load(quantised(tmp_path, settings))


@needs("torchao", "accelerate")
@pytest.mark.parametrize("family", tiny_hub.FAMILIES[:3])
def test_weights_of_torchao_are_loaded(tmp_path: Path, family: str) -> None:
    """Eight-bit weights of the language model: nearly the same logits."""
    from torchao.quantization import Int8WeightOnlyConfig
    from transformers import AutoModelForImageTextToText, TorchAoConfig

    plain = tiny_hub.folder(family)
    made: Any = AutoModelForImageTextToText.from_pretrained(
        plain,
        dtype=torch.float32,
        quantization_config=TorchAoConfig(
            Int8WeightOnlyConfig(version=2), modules_to_not_convert=["visual", "vision_tower"]
        ),
    )
    copy = shutil.copytree(
        plain, tmp_path / "copy", ignore=shutil.ignore_patterns("*.safetensors*")
    )
    made.save_pretrained(copy)
    memory, other = VideoMemory(load(copy)), VideoMemory(load(plain))
    question = memory.model.question("Who is there?")
    for each in (memory, other):
        picture = torch.full((2, 3, *each.model.frame_size), 90, dtype=torch.uint8)
        each.feed(picture)
    found, expected = (last_hidden(each, question) for each in (memory, other))
    assert torch.nn.functional.cosine_similarity(found, expected, dim=0) > 0.99
    assert not torch.equal(found, expected)


def last_hidden(memory: VideoMemory, inputs: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode(), memory.branch(len(inputs)) as branch:
        hidden = memory.model.forward(inputs, PackedPass([branch.row(len(inputs))]))
    return hidden[-1]
