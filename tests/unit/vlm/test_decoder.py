"""The own loop over a decoder's layers computes what the model's own forward computes."""

from __future__ import annotations

from functools import cache
from typing import Any
from unittest import mock

import pytest
import torch
from torch import Tensor, nn

from hermes.errors import Unsupported
from hermes.memory import HeadNorms, Pass, Rotary, rotate
from hermes.vlm import VideoModel, expert_steps, experts, load
from hermes.vlm.decoder import Decoder
from tests.support import tiny_hub

TOKENS = 9


@cache
def model(family: str) -> VideoModel:
    return load(tiny_hub.folder(family))


@cache
def stock(family: str) -> Any:
    """The same language model in transformers' own hands."""
    from transformers import AutoModelForImageTextToText

    whole = AutoModelForImageTextToText.from_pretrained(tiny_hub.folder(family)).eval()
    return whole.model.language_model


class Causal(Pass):
    """Plain causal attention over the tokens of the pass."""

    def __init__(self, rotary: Rotary, axes: int) -> None:
        self._tables = rotary.tables(torch.arange(TOKENS).expand(axes, TOKENS))

    def attend(
        self,
        layer: int,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        scale: float,
        norms: HeadNorms | None = None,
    ) -> Tensor:
        if norms is not None:
            query, key = norms.of(query, key)
        asked, known = rotate(query[0], self._tables), rotate(key[0], self._tables)
        out = nn.functional.scaled_dot_product_attention(
            asked, known, value[0], is_causal=True, scale=scale, enable_gqa=True
        )
        return out.transpose(0, 1).unsqueeze(0)


def embeddings(of: Any) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    ids = torch.randint(0, of.config.vocab_size, (TOKENS,), generator=generator)
    found: Tensor = of.get_input_embeddings()(ids)
    return found


@pytest.mark.parametrize("family", tiny_hub.FAMILIES)
@torch.inference_mode()
def test_hidden_states_are_those_of_the_stock_forward(family: str) -> None:
    own, plain = model(family), stock(family)
    inputs = embeddings(plain)
    kept = inputs.clone()
    packed = Causal(own.rotary, own.shape.axes)
    found = own.decoder.forward(inputs, packed)
    wanted = plain(inputs_embeds=inputs.unsqueeze(0), use_cache=False).last_hidden_state[0]
    assert torch.allclose(found, wanted, rtol=1e-4, atol=1e-5)
    assert torch.equal(inputs, kept)  # the loop overwrites nothing that is not its own


@torch.inference_mode()
def test_experts_that_are_read_without_sorting_change_no_hidden_state() -> None:
    own, plain = model("qwen3_vl_moe"), stock("qwen3_vl_moe")
    inputs = embeddings(plain)
    with mock.patch.object(experts, "kernels_for", return_value=expert_steps) as asked:
        found = own.decoder.forward(inputs, Causal(own.rotary, own.shape.axes))
    assert asked.call_count == len(plain.layers)
    wanted = plain(inputs_embeds=inputs.unsqueeze(0), use_cache=False).last_hidden_state[0]
    assert torch.allclose(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", tiny_hub.FAMILIES)
@torch.inference_mode()
def test_levels_are_added_to_the_outputs_of_the_first_layers(family: str) -> None:
    own, plain = model(family), stock(family)
    inputs = embeddings(plain)
    levels = [torch.randn(inputs.shape, generator=torch.Generator().manual_seed(n)) for n in (1, 2)]
    hooks = [
        layer.register_forward_hook(lambda module, _, out, level=level: out + level)
        for layer, level in zip(plain.layers, levels, strict=False)
    ]
    try:
        wanted = plain(inputs_embeds=inputs.unsqueeze(0), use_cache=False).last_hidden_state[0]
    finally:
        for hook in hooks:
            hook.remove()
    found = own.decoder.forward(inputs, Causal(own.rotary, own.shape.axes), levels)
    assert torch.allclose(found, wanted, rtol=1e-4, atol=1e-5)


def language(family: str = "qwen2_5_vl") -> Any:
    """A language model with the stock model's weights, to be changed."""
    import copy

    return copy.deepcopy(stock(family))


class Scaled(nn.Linear):
    """A linear layer of a kind that is not known, as quantised ones are."""

    def forward(self, values: Tensor) -> Tensor:
        return 0.5 * super().forward(values)


@torch.inference_mode()
def test_layers_that_are_more_than_linear_are_used_as_they_are() -> None:
    changed = language()
    for layer in changed.layers:
        for of, name in (
            (layer.self_attn, "q_proj"),
            (layer.self_attn, "o_proj"),
            (layer.mlp, "up_proj"),
            (layer.mlp, "down_proj"),
        ):
            getattr(of, name).__class__ = Scaled
    inputs = embeddings(changed)
    own = model("qwen2_5_vl")
    wanted = changed(inputs_embeds=inputs.unsqueeze(0), use_cache=False).last_hidden_state[0]
    found = Decoder(changed, "a model").forward(inputs, Causal(own.rotary, own.shape.axes))
    assert torch.allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_joined_weights_are_there_once() -> None:
    changed = language()
    before = {name: value.clone() for name, value in changed.state_dict().items()}
    Decoder(changed, "a model")
    after = changed.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    attention = changed.layers[0].self_attn
    parts = (attention.q_proj, attention.k_proj, attention.v_proj)
    assert len({part.weight.untyped_storage().data_ptr() for part in parts}) == 1


def test_a_decoder_with_parts_that_are_not_known_is_refused() -> None:
    changed = language()
    changed.layers[1].self_attn.gate_proj = nn.Linear(2, 2)
    with pytest.raises(Unsupported, match="gate_proj"):
        Decoder(changed, "a model")
