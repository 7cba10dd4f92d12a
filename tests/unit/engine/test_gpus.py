"""How many cameras fit on GPUs that are not here, and that the page on sizing says the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from hermes.engine import EngineConfig
from hermes.engine.gpus import GPUS, cameras_on, fit_on, memory_bytes
from hermes.memory import CacheShape
from hermes.vlm.model_facts import ModelFacts

PAGE = Path(__file__).parents[3] / "docs" / "sizing.md"
CONFIG = EngineConfig(max_cameras=4096)


def facts(
    family: str, parameters: int, layers: int, kv_heads: int, axes: int, frame: int
) -> ModelFacts:
    return ModelFacts(
        family=family,
        parameters=parameters,
        weight_bytes=2 * parameters,
        quantisation=None,
        adapter=False,
        thinking=False,
        shape=CacheShape(layers, kv_heads, 128, axes, torch.bfloat16, torch.device("cuda")),
        position_limit=32_768,
        prefix_tokens=14,
        frame_size=(384, 384),
        frame_tokens=frame,
        most_frame_tokens=frame,
        pictures_per_frame=1,
        problems=(),
    )


LLAVA = facts("llava_onevision", 8_030_807_584, 28, 4, 1, 196)
QWEN3 = facts("qwen3_vl", 8_767_123_696, 36, 8, 3, 160)


def test_the_page_on_sizing_has_the_same_numbers() -> None:
    rows = re.findall(
        r"^\| ([\w ]+\d\w*) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", PAGE.read_text(), re.M
    )
    said = {card: tuple(map(int, numbers)) for card, *numbers in rows}
    expected = {}
    for card in ("A100 40GB", "H100 80GB", "GH200 96GB", "H200"):
        fits = [fit_on(card, of, CONFIG) for of in (LLAVA, QWEN3)]
        expected[card] = tuple(n for fit in fits for n in (fit.cameras, fit.read_at_once))
    assert said == expected


def test_the_page_on_sizing_says_what_a_camera_takes() -> None:
    text = PAGE.read_text()
    for of in (LLAVA, QWEN3):
        assert f"{memory_bytes(of, CONFIG) / 2**20:.0f} MiB" in text


def test_an_h200_holds_more_than_200_cameras_of_a_7b_model() -> None:
    assert cameras_on("H200", LLAVA, CONFIG) > 200


@pytest.mark.parametrize("gpu", GPUS)
def test_fewer_questions_leave_room_for_more_cameras(gpu: str) -> None:
    few = EngineConfig(max_cameras=4096, max_questions=2)
    assert cameras_on(gpu, LLAVA, few) > cameras_on(gpu, LLAVA, CONFIG)


def test_a_model_that_does_not_fit_has_no_camera() -> None:
    large = facts("qwen3_vl", 30_000_000_000, 48, 4, 3, 160)
    assert cameras_on("L40S", large, CONFIG) == 0
