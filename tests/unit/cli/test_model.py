"""`hermes model check`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hermes.vlm import load
from services.cli.main import app
from tests.support import tiny_hub


def test_a_model_is_checked() -> None:
    folder = tiny_hub.folder("qwen3_vl")
    ran = CliRunner().invoke(
        app, ["model", "check", str(folder), "--frame-size=512x288", "--fps=2", "--budget=2000"]
    )
    assert ran.exit_code == 0, ran.output
    text = " ".join(ran.output.split())
    assert "family qwen3_vl" in text
    # 144 of the picture, 2 marks, and up to 20 letters of its time, a token each here
    assert "512x288 pixels: 166 tokens, which 2 pictures share" in text
    assert "166 tokens a second at 2 pictures a second" in text
    assert "cameras on H200 about" in text


@pytest.mark.parametrize("family", tiny_hub.FAMILIES[1:])
def test_tokens_are_those_that_a_memory_takes(family: str) -> None:
    """With a bound of their own, and for the shape of a camera's pictures."""
    folder = tiny_hub.folder(family)
    options = ["--frame-tokens=60", "--picture=360x640", "--fps=3", "--json"]
    found = json.loads(CliRunner().invoke(app, ["model", "check", str(folder), *options]).output)
    model = load(folder, frame_tokens=60)
    width, height = 360, 640
    assert found["frame_size"] == [*model.fitted((height, width))]
    assert found["frame_tokens"] == model.frame_tokens((height, width))
    assert found["most_frame_tokens"] == model.most_frame_tokens
    assert found["tokens_per_second"] == model.frame_tokens((height, width)) * 3 / 2


def test_an_option_that_a_family_does_not_have_is_refused() -> None:
    folder = str(tiny_hub.folder("llava_onevision"))
    for option in ("--frame-tokens=60", "--frame-size=64x64"):
        ran = CliRunner().invoke(app, ["model", "check", folder, option])
        assert ran.exit_code == 1
        assert "cannot be chosen for llava_onevision" in str(ran.exception)


def test_keys_and_values_in_8_bits_take_half() -> None:
    folder = str(tiny_hub.folder("llava_onevision"))
    found = [
        json.loads(CliRunner().invoke(app, ["model", "check", folder, "--json", *options]).output)
        for options in ([], ["--kv-cache-dtype=fp8"])
    ]
    assert found[0]["bytes_per_token"] == 2 * found[1]["bytes_per_token"]
    assert found[0]["memory_bytes"] > found[1]["memory_bytes"]
    ran = CliRunner().invoke(app, ["model", "check", folder, "--kv-cache-dtype=int4"])
    assert ran.exit_code == 1
    assert "must be one of auto, fp8, fp8_e4m3" in " ".join(ran.output.split())


def test_a_model_is_checked_for_a_machine() -> None:
    ran = CliRunner().invoke(
        app, ["model", "check", str(tiny_hub.folder("llava_onevision")), "--json"]
    )
    found = json.loads(ran.output)
    assert (found["family"], found["frame_tokens"], found["problems"]) == (
        "llava_onevision",
        16,
        [],
    )
    assert found["tokens_per_second"] == 16
    assert found["cameras"]["H200"] > found["cameras"]["L40S"] > 0


def test_what_is_wrong_is_said_and_makes_the_command_fail(tmp_path: Path) -> None:
    copy = shutil.copytree(tiny_hub.folder("qwen3_vl"), tmp_path / "copy")
    shard = sorted(copy.glob("*.safetensors"))[0]
    shard.write_bytes(shard.read_bytes()[:-9])
    ran = CliRunner().invoke(app, ["model", "check", str(copy)])
    assert ran.exit_code == 1
    assert "cannot be loaded here:" in ran.output
    assert f"{shard.name} is damaged or was cut short" in ran.output


def test_options_that_cannot_be_are_refused() -> None:
    folder = str(tiny_hub.folder("qwen3_vl"))
    for option, reason in (
        ("--frame-size=512*288", "must be WIDTHxHEIGHT"),
        ("--picture=wide", "must be WIDTHxHEIGHT"),
        ("--frame-tokens=3", "have at least 4"),
        ("--budget=20", "less than one frame"),
    ):
        ran = CliRunner().invoke(app, ["model", "check", folder, option])
        assert ran.exit_code == 1
        assert reason in f"{ran.output}{ran.exception}"
