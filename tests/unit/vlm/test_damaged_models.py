"""A model whose files are damaged, incomplete or of another kind is refused by name."""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from hermes.errors import InvalidInput, Unsupported
from hermes.vlm import load
from hermes.vlm.model_facts import ModelFacts
from hermes.vlm.model_folder import ModelFolder
from tests.support import tiny_hub
from tests.support.slow import slow

FAMILY = "qwen3_vl"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return shutil.copytree(tiny_hub.folder(FAMILY), tmp_path / "copy")


def shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


def change_weights(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    for shard in shards(folder):
        weights = load_file(shard)
        change(weights)
        save_file(weights, shard, {"format": "pt"})


def without_layer(weights: dict[str, Any]) -> None:
    for key in [key for key in weights if "language_model.layers.3." in key]:
        del weights[key]


@pytest.mark.parametrize("family", tiny_hub.FAMILIES[:3])
def test_a_missing_layer_is_named(family: str, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny_hub.folder(family), tmp_path / "copy")

    def without(weights: dict[str, Any]) -> None:
        for key in [key for key in weights if "layers.3." in key and "visual" not in key]:
            del weights[key]

    change_weights(copy, without)
    with pytest.raises(InvalidInput, match=r"lack .*layers\.3\..* and \d+ more"):
        load(copy)


def test_weights_that_the_model_does_not_know_are_named(copy: Path) -> None:
    change_weights(copy, lambda weights: weights.update({"odd.weight": torch.zeros(2)}))
    with pytest.raises(InvalidInput, match=r"beyond what the model knows odd\.weight"):
        load(copy)


def test_weights_of_another_shape_are_named(copy: Path) -> None:
    def narrow(weights: dict[str, Any]) -> None:
        for key in [key for key in weights if key.endswith("layers.0.mlp.up_proj.weight")]:
            weights[key] = torch.zeros(3, 3)

    change_weights(copy, narrow)
    with pytest.raises(InvalidInput, match=r"in another shape \S*layers\.0\.mlp\.up_proj\.weight"):
        load(copy)


@pytest.mark.parametrize("size", [-1000, 0])
def test_a_cut_file_is_named(copy: Path, size: int) -> None:
    shard = shards(copy)[1]
    shard.write_bytes(shard.read_bytes()[:size])
    with pytest.raises(InvalidInput, match=f"{shard.name} is damaged or was cut short"):
        load(copy)


def test_a_missing_file_is_named(copy: Path) -> None:
    shards(copy)[2].unlink()
    with pytest.raises(InvalidInput, match=r"model-00003-of-00006\.safetensors is missing"):
        load(copy)


def test_a_folder_without_weights_is_named(copy: Path) -> None:
    for path in [*shards(copy), copy / "model.safetensors.index.json"]:
        path.unlink()
    with pytest.raises(InvalidInput, match="has no weights"):
        load(copy)


@pytest.mark.parametrize(
    "name",
    [
        "config.json",
        "model.safetensors.index.json",
        "preprocessor_config.json",
        "video_preprocessor_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "generation_config.json",
        "chat_template.json",
    ],
)
@pytest.mark.parametrize("share", slow([0.0, 0.5, 0.9], 0.5))
def test_a_cut_settings_file_is_named(copy: Path, name: str, share: float) -> None:
    text = (copy / name).read_text()
    (copy / name).write_text(text[: int(share * len(text))])
    with pytest.raises(InvalidInput, match=name.removesuffix(".json")):
        load(copy)


@pytest.mark.parametrize("value", slow(["12", {"a": 1}, 1.5], {"a": 1}))
@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("generation_config.json", "repetition_penalty"),
        ("generation_config.json", "eos_token_id"),
        ("video_preprocessor_config.json", "image_mean"),
        ("video_preprocessor_config.json", "rescale_factor"),
        ("video_preprocessor_config.json", "patch_size"),
        ("video_preprocessor_config.json", "size"),
        ("model.safetensors.index.json", "metadata"),
        ("config.json", "dtype"),
    ],
)
def test_a_setting_of_another_kind_is_refused_or_does_not_matter(
    copy: Path, name: str, setting: str, value: object
) -> None:
    """Nothing but our own errors comes out, whatever the value is."""
    content = json.loads((copy / name).read_text())
    (copy / name).write_text(json.dumps({**content, setting: value}))
    with suppress(InvalidInput, Unsupported):
        ModelFacts.of(ModelFolder.find(str(copy)))
    with suppress(InvalidInput, Unsupported):
        load(copy)


@pytest.mark.parametrize("share", slow([0.0, 0.3, 0.9], 0.3))
def test_a_cut_chat_template_is_named(copy: Path, share: float) -> None:
    path = copy / "chat_template.jinja"
    path.write_text(path.read_text()[: int(share * len(path.read_text()))])
    with pytest.raises(Unsupported, match="the chat template in"):
        load(copy)


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "qwen3_vl", "vision_config": 7},
        {"model_type": "qwen3_vl", "text_config": {"hidden_size": "many"}},
        {"model_type": "qwen2_5_vl", "text_config": {"rope_parameters": {"rope_type": "none"}}},
    ],
)
def test_an_invalid_configuration_is_named(copy: Path, config: dict[str, Any]) -> None:
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(InvalidInput, match="model: "):
        load(copy)


@pytest.mark.parametrize("mark", [100_000, -1])
def test_a_mark_that_is_no_token_is_named(copy: Path, mark: int) -> None:
    content = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**content, "vision_end_token_id": mark}))
    with pytest.raises(InvalidInput, match="vision_end_token_id"):
        load(copy)


@pytest.mark.parametrize("config", [{}, {"model_type": 3}, []])
def test_a_configuration_of_no_model_is_named(copy: Path, config: object) -> None:
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(InvalidInput, match=r"config\.json"):
        load(copy)


def test_another_family_is_refused_before_its_configuration_is_read(copy: Path) -> None:
    """What the other family would say about its own settings does not matter."""
    (copy / "config.json").write_text('{"model_type": "llava", "vision_config": 7}')
    with pytest.raises(Unsupported, match="'llava' is not supported"):
        load(copy)


@pytest.mark.parametrize("model_type", ["of_no_library", FAMILY])
def test_code_that_comes_with_a_model_is_never_run(
    copy: Path, model_type: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not even after a question on the terminal."""
    ran = copy / "ran"
    code = f"open({str(ran)!r}, 'w')\n"
    for name in ("configuration", "modeling", "tokenization"):
        (copy / f"{name}_own.py").write_text(code)
    auto = {
        "AutoConfig": "configuration_own.Own",
        "AutoModelForImageTextToText": "modeling_own.Own",
        "AutoTokenizer": ["tokenization_own.Own", "tokenization_own.Own"],
    }
    for file in ("config.json", "tokenizer_config.json"):
        content = json.loads((copy / file).read_text()) | {"auto_map": auto}
        if file == "config.json":
            content["model_type"] = model_type
        (copy / file).write_text(json.dumps(content))
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\ny\ny\n"))
    if model_type == FAMILY:
        load(copy)
    else:
        with pytest.raises(Unsupported, match="'of_no_library' is not supported"):
            load(copy)
    assert not ran.exists()
    assert "[y/N]" not in capsys.readouterr().out
