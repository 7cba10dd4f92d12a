"""Few tokens are read by their experts as the stock network reads them, in two kernels."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
import torch
from torch import Tensor, nn

from hermes.vlm import expert_steps, experts
from hermes.vlm.experts import FEW, Experts

expert_kernels = pytest.importorskip("hermes.vlm.expert_kernels")
DEVICE = torch.device("cpu" if "TRITON_INTERPRET" in os.environ else "cuda")
WIDTH, INNER, COUNT, CHOSEN = 32, 16, 5, 2
both = pytest.mark.parametrize("kernels", [expert_steps, expert_kernels], ids=["steps", "kernels"])


@pytest.fixture(autouse=True)
def inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


def network(dtype: torch.dtype = torch.float32, activation: str = "silu") -> Any:
    from transformers.models.qwen3_vl_moe import configuration_qwen3_vl_moe, modeling_qwen3_vl_moe

    make: Any = configuration_qwen3_vl_moe.Qwen3VLMoeTextConfig  # as its parents', untyped
    config = make(
        hidden_size=WIDTH,
        moe_intermediate_size=INNER,
        num_experts=COUNT,
        num_experts_per_tok=CHOSEN,
        hidden_act=activation,
        experts_implementation="eager",
    )
    made = modeling_qwen3_vl_moe.Qwen3VLMoeTextSparseMoeBlock(config)
    generator = torch.Generator().manual_seed(4)
    for weight in made.parameters():
        weight.data = torch.randn(weight.shape, generator=generator) / weight.shape[-1] ** 0.5
    return made.to(DEVICE, dtype)


def tokens(count: int, dtype: torch.dtype = torch.float32, seed: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((count, WIDTH), generator=generator).to(DEVICE, dtype)


def added(made: nn.Module, kernels: Any, hidden: Tensor, values: Tensor) -> Tensor:
    with mock.patch.object(experts, "kernels_for", return_value=kernels):
        found = Experts.of(made)
        assert found is not None
        mixed = found.added(hidden, values)
    assert mixed is hidden
    return mixed


@both
@pytest.mark.parametrize("count", [1, 3])
def test_what_is_added_is_what_the_stock_network_makes(kernels: Any, count: int) -> None:
    made, hidden, values = network(), tokens(count), tokens(count, seed=6)
    expected = hidden + made(values.unsqueeze(0))[0]
    torch.testing.assert_close(added(made, kernels, hidden, values), expected)


@both
def test_narrow_weights_are_no_further_from_fp32_than_those_of_the_stock_network(
    kernels: Any,
) -> None:
    dtype = torch.float16  # bfloat16 is not rounded where kernels are interpreted
    made, hidden, values = network(dtype), tokens(4, dtype), tokens(4, dtype, seed=6)
    stock = hidden + made(values.unsqueeze(0))[0]
    # Of the same experts: the levels of the router are rounded alike.
    router = nn.functional.linear(values, made.gate.weight).float()
    gate_up, down = made.experts.gate_up_proj.float(), made.experts.down_proj.float()
    exact = expert_steps.gated(values.float(), router, gate_up, CHOSEN)
    expected = expert_steps.mixed(hidden.float(), exact, router, down)
    found = added(made, kernels, hidden, values)
    assert (found - expected).abs().max() <= 1.1 * (stock - expected).abs().max()


@both
def test_weights_of_experts_that_are_not_chosen_are_not_read(kernels: Any) -> None:
    made, hidden, values = network(), tokens(1), tokens(1, seed=6)
    expected = hidden + made(values.unsqueeze(0))[0]
    chosen = made.gate(values)[2].flatten().tolist()
    for expert in set(range(COUNT)) - set(chosen):
        made.experts.gate_up_proj.data[expert] = float("nan")
        made.experts.down_proj.data[expert] = float("nan")
    torch.testing.assert_close(added(made, kernels, hidden, values), expected)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_levels_that_are_not_finite_read_no_weights_that_are_not_there() -> None:
    made, hidden, values = network(), tokens(2), tokens(2, seed=6)
    values[0] = float("nan")
    found = added(made, expert_kernels, hidden.clone(), values)
    torch.testing.assert_close(found[1:], hidden[1:] + made(values[1:].unsqueeze(0))[0])


def test_many_tokens_are_left_to_the_stock_network() -> None:
    found = Experts.of(network())
    assert found is not None
    with mock.patch.object(experts, "kernels_for", return_value=expert_steps):
        hidden = tokens(FEW + 1)
        assert found.added(hidden, tokens(FEW + 1)) is None
    assert torch.equal(hidden, tokens(FEW + 1))
    assert found.added(tokens(1), tokens(1)) is None or DEVICE.type == "cuda"


class Packed(Tensor):
    """As quantised weights are: other numbers stand for those that it has."""

    def __tensor_flatten__(self) -> None: ...


def test_other_networks_are_left_as_they_are() -> None:
    assert Experts.of(nn.Linear(2, 2)) is None
    assert Experts.of(network(activation="gelu")) is None
    uneven = network()
    uneven.experts.down_proj = nn.Parameter(uneven.experts.down_proj[:, :, 8:].contiguous())
    assert Experts.of(uneven) is None
    mixed = network()
    mixed.experts.to(torch.bfloat16)
    assert Experts.of(mixed) is None
    packed = network()
    weights = packed.experts.down_proj.data.as_subclass(Packed)
    packed.experts.down_proj = nn.Parameter(weights)
    assert Experts.of(packed) is None
    replaced = network()
    replaced.experts = nn.ModuleList([nn.Linear(2, 2)])  # as some quantisers leave them
    assert Experts.of(replaced) is None
