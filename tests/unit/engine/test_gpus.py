"""How many cameras fit on GPUs that are not here, and that the page on sizing says the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hermes.engine import EngineConfig
from hermes.engine.gpus import (
    GPUS,
    cameras_on,
    fit_on,
    memory_bytes,
)
from hermes.memory import CacheShape
from hermes.memory.stored import EIGHT_BITS
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


CARDS = ("A100 40GB", "H100 80GB", "GH200 96GB", "H200")


def rows(heading: str) -> dict[str, list[int]]:
    """The numbers of each card in the table below a heading."""
    text = PAGE.read_text().partition(f"# {heading}")[2].partition("\n#")[0]
    found = {}
    for line in text.splitlines():
        card, *numbers = [cell.strip() for cell in line.strip("|").split("|")]
        if card in CARDS:
            found[card] = [int(number) for number in numbers]
    return found


def test_the_page_on_sizing_has_the_same_numbers() -> None:
    expected = {}
    for card in CARDS:
        fits = [fit_on(card, of, CONFIG) for of in (LLAVA, QWEN3)]
        expected[card] = [n for fit in fits for n in (fit.cameras, fit.read_at_once)]
    assert rows("Memory of a GPU") == expected


def in_8_bits(of: ModelFacts) -> ModelFacts:
    """With keys and values that are stored so."""
    return replace(of, shape=replace(of.shape, stored=EIGHT_BITS))


def test_the_page_on_sizing_has_the_arithmetic_of_eight_bits() -> None:
    narrow = replace(LLAVA, weight_bytes=LLAVA.parameters)
    models = (LLAVA, narrow, in_8_bits(LLAVA), in_8_bits(narrow))
    expected = {card: [cameras_on(card, of, CONFIG) for of in models] for card in CARDS}
    assert rows("Eight bits, by arithmetic") == expected
    for of, name in ((LLAVA, "a camera of LLaVA"), (QWEN3, "of Qwen3")):
        each = memory_bytes(in_8_bits(of), CONFIG) / 2**20
        assert f"{each:.0f} MiB {name}" in PAGE.read_text()
    on_a_card = [fit_on("H200", of, CONFIG) for of in (LLAVA, in_8_bits(LLAVA))]
    assert on_a_card[1].cameras > 2 * on_a_card[0].cameras


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
