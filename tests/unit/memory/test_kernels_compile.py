"""Kernels are fast on a GPU as far as their machine code tells. It is compiled here and not run.

A block of threads has room beside others, no register is moved to memory, what can be loaded in 16
bytes is, and products are computed by tensor cores.
"""

from __future__ import annotations

import pytest

from hermes.memory.tiles import REGISTERS, Tiles
from hermes.vlm.shapes import SHAPES, config_of
from tests.support import compiled
from tests.support.compiled import IN_8_BITS, MIXTURES, MODELS, Heads, Mixture

pytest.importorskip("triton")

SHARED = {80: 163, 90: 227, 100: 227}
"""KiB of a multiprocessor that its blocks of threads share, by compute capability."""
REGISTERS_OF_ALL = 65_536
"""Of a multiprocessor."""
TENSOR_CORES = {80: "HMMA", 90: "HGMMA", 100: "UTCHMMA"}
ANSWER, QUESTION = 1, 64
"""Tokens of a pass."""


def check(capability: int, *models: str) -> None:
    found = compiled.costs(capability, (ANSWER, QUESTION), *models, *MIXTURES)
    names = {cost.name for cost in found}
    experts = {"gated", "mixed"}
    stored = any(IN_8_BITS in model for model in models)
    assert names == {"write", "attend", "join", "rotate_keys"} | experts | (
        {"store"} if stored else {"tables", "rotate"}
    )
    for cost in found:
        assert cost.stack == cost.spills == 0, cost
        assert cost.registers <= REGISTERS, cost
        threads = 32 * cost.warps
        at_once = min(
            REGISTERS_OF_ALL // (cost.registers * threads),
            SHARED[capability] * 1024 // max(1, cost.shared + 1024),
        )
        assert at_once * threads >= 3 * 4 * 32 or at_once >= 16, cost
        if cost.name != "tables":  # which reads positions alone
            assert cost.loads == 128, cost
        if cost.name in experts:  # a thread has one number of the router's output
            assert cost.narrow <= 3, cost
        elif cost.name != "write":  # a warp loads one token's key at once
            assert cost.narrow == 0, cost
        product = TENSOR_CORES[capability] if cost.tokens == QUESTION else "HMMA"
        assert cost.products == ([product] if cost.name == "attend" else []), cost
        assert all(loop < 700 for loop in cost.loops), cost  # 3,500 where addresses are unknown


def test_an_answer_and_a_question_on_a_hopper() -> None:
    check(90, "llava-onevision-7b")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("capability", SHARED)
def test_every_shape_on_every_gpu(capability: int) -> None:
    check(capability, *MODELS)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("capability", SHARED)
def test_every_shape_in_8_bits_on_every_gpu(capability: int) -> None:
    """Also on one that has no instructions for them."""
    check(capability, *(model + IN_8_BITS for model in MODELS))


def test_the_shapes_are_those_that_ship() -> None:
    assert set(SHAPES) <= set(MODELS)
    for name in SHAPES:
        text = config_of(name, layers=1).text_config
        dim = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        axes = 3 if name.startswith("qwen") else 1
        expected = Heads(text.num_attention_heads, text.num_key_value_heads, dim, axes)
        assert MODELS[name] == expected
        count = getattr(text, "num_experts", 0)
        if count:
            sizes = text.hidden_size, text.moe_intermediate_size, count, text.num_experts_per_tok
            assert MIXTURES[f"experts of {name}"] == Mixture(*sizes)


@pytest.mark.parametrize("capability", [0, 80, 89, 90, 100, 120])
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_tokens_of_a_question_share_what_is_read(capability: int, model: Heads) -> None:
    groups = model.heads // model.kv_heads
    tiles = Tiles.of(capability, QUESTION, groups)
    assert tiles.tokens == tiles.rows // tiles.group >= 4
    assert Tiles.of(capability, ANSWER, groups).rows == 16
    assert Tiles.of(capability, ANSWER, 40).rows >= 40
