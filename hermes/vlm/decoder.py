"""A model's decoder: the layers of a transformers language model, run over packed rows.

The weights are those of the model's own modules. The loop over them is written anew, because the
model's own one rotates keys that must stay as they are, and launches three times as many kernels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional

from hermes.errors import Unsupported
from hermes.memory import HeadNorms, Pass, Projections
from hermes.vlm.experts import Experts

_OF_LAYER = {"self_attn", "mlp", "input_layernorm", "post_attention_layernorm"}
_OF_ATTENTION = {"q_proj", "k_proj", "v_proj", "o_proj"}
_MAY_BE_THERE = {"q_norm", "k_norm", "rotary_emb"}
_OF_DENSE = {"gate_proj", "up_proj", "down_proj", "act_fn"}


class Decoder:
    """Layers of pre-normalised attention and a gated network, as all families here have them.

    Queries and keys are handed to the pass as they are projected, neither normalised nor rotated.
    """

    def __init__(self, language: Any, name: str) -> None:
        """`language`: the language model, of transformers. Its projections may be joined: its
        modules then hold parts of larger tensors.

        Raises `Unsupported` if a layer has a part that is not known here.
        """
        self._layers = [_Layer(layer, number, name) for number, layer in enumerate(language.layers)]
        self._norm = _Norm(language.norm)
        self.width: int = language.norm.weight.numel()
        """How many columns embeddings have."""

    def forward(self, inputs: Tensor, packed: Pass, levels: Sequence[Tensor] = ()) -> Tensor:
        """Embeddings [n, hidden] of packed rows -> last hidden states [n, hidden].

        `levels`: [n, hidden] each, what is added to the outputs of the first layers.
        """
        hidden = inputs
        for layer in self._layers:
            hidden = layer.forward(hidden, packed, own=hidden is not inputs)
            if layer.number < len(levels):
                hidden += levels[layer.number]
        return self._norm.of(hidden)

    def key_bias(self, kv_heads: int) -> Tensor | None:
        """[layers, kv_heads, head_dim] fp32: what is added to the keys of all tokens alike.

        None if it is not the same for all of them, or there is none.
        """
        found = [layer.key_bias for layer in self._layers]
        there = [bias for bias in found if bias is not None]
        if len(there) < len(found):
            return None
        wide = torch.stack(there).detach().to(torch.float32)
        return wide.view(len(there), kv_heads, -1)

    def projections(self, inputs: Tensor) -> Projections:
        """What every layer makes of bare embeddings [n, hidden], as if no layer came before."""
        made = [layer.projected(inputs) for layer in self._layers]
        queries, keys = (torch.stack([parts[which][0] for parts in made]) for which in (0, 1))
        return Projections(queries, keys)


class _Layer:
    def __init__(self, layer: Any, number: int, name: str) -> None:
        _check(layer, _OF_LAYER, set(), name)
        attention = layer.self_attn
        _check(attention, _OF_ATTENTION, _MAY_BE_THERE, name)
        self.number = number
        self._dim: int = attention.head_dim
        self._scale: float = attention.scaling
        self._before = _Norm(layer.input_layernorm)
        self._between = _Norm(layer.post_attention_layernorm)
        self._query_key_value = _Joined(attention.q_proj, attention.k_proj, attention.v_proj)
        parts = dict(attention.named_children())
        self._norms = _head_norms(parts, name)
        normed = self._norms is not None
        self.key_bias: Tensor | None = None if normed else getattr(attention.k_proj, "bias", None)
        self._out = attention.o_proj
        self._network: _Dense | _Whole = _Whole(layer.mlp)
        if {"gate_proj", "up_proj", "down_proj"} <= dict(layer.mlp.named_children()).keys():
            _check(layer.mlp, _OF_DENSE - {"act_fn"}, {"act_fn"}, name)
            self._network = _Dense(layer.mlp)

    def forward(self, hidden: Tensor, packed: Pass, *, own: bool) -> Tensor:
        """[n, hidden] -> [n, hidden]. `own`: `hidden` may be overwritten."""
        query, key, value = self._heads(hidden)
        seen = packed.attend(self.number, query, key, value, self._scale, self._norms)
        hidden = _added(hidden, self._out, seen.reshape(len(hidden), -1), own=own)
        return self._network.added(hidden, self._between.of(hidden))

    def projected(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key and value of every token, [1, heads, n, head_dim] each."""
        query, key, value = self._heads(hidden)
        if self._norms is not None:
            query, key = self._norms.of(query, key)
        return query, key, value

    def _heads(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As `projected`, before heads are normalised."""
        query, key, value = (
            part.unflatten(1, (-1, self._dim)).transpose(0, 1).unsqueeze(0)
            for part in self._query_key_value.of(self._before.of(hidden))
        )
        return query, key, value


def _head_norms(parts: dict[str, Any], name: str) -> HeadNorms | None:
    """How heads are normalised: both queries and keys, or none."""
    query, key = parts.get("q_norm"), parts.get("k_norm")
    if query is None and key is None:
        return None
    if query is None or key is None or query.variance_epsilon != key.variance_epsilon:
        raise Unsupported(f"{name}: its queries and keys are not normalised alike")
    return HeadNorms(query.weight, key.weight, query.variance_epsilon)


class _Norm:
    """RMSNorm in one kernel."""

    def __init__(self, norm: Any) -> None:
        self._weight: Tensor = norm.weight
        self._epsilon: float = norm.variance_epsilon

    def of(self, values: Tensor) -> Tensor:
        return functional.rms_norm(values, self._weight.shape, self._weight, self._epsilon)


class _Joined:
    """Projections of the same input, as one product where their weights are plain."""

    def __init__(self, *parts: nn.Module) -> None:
        self._parts = parts
        self._weight: Tensor | None = None
        self._bias: Tensor | None = None
        plain = [part for part in parts if _is_plain(part)]
        biased = [part.bias is not None for part in plain]
        if len(plain) < len(parts) or any(biased) != all(biased):
            return
        self._sizes = [part.out_features for part in plain]
        self._weight = torch.cat([part.weight for part in plain])
        # The modules keep parts of the joined tensors, so that no weight is there twice.
        for part, weight in zip(plain, self._weight.split(self._sizes), strict=True):
            part.weight = nn.Parameter(weight, requires_grad=False)
        if all(biased):
            self._bias = torch.cat([part.bias for part in plain])
            for part, bias in zip(plain, self._bias.split(self._sizes), strict=True):
                part.bias = nn.Parameter(bias, requires_grad=False)

    def of(self, values: Tensor) -> Sequence[Tensor]:
        if self._weight is None:
            return [part(values) for part in self._parts]
        joined = functional.linear(values, self._weight, self._bias)
        parts: Sequence[Tensor] = joined.split(self._sizes, dim=1)
        return parts


class _Dense:
    """A gated network: down(act(gate(x)) * up(x))."""

    def __init__(self, network: Any) -> None:
        self._gate_up = _Joined(network.gate_proj, network.up_proj)
        self._activation = network.act_fn
        self._down: nn.Module = network.down_proj

    def added(self, hidden: Tensor, values: Tensor) -> Tensor:
        """`hidden`, overwritten by its sum with what the network makes of `values`."""
        gate, up = self._gate_up.of(values)
        return _added(hidden, self._down, self._activation(gate).mul_(up), own=True)


class _Whole:
    """A network that is used as it is: a mixture of experts, unless there is a better way."""

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._experts = Experts.of(network)

    def added(self, hidden: Tensor, values: Tensor) -> Tensor:
        """As of a dense one."""
        if self._experts is not None:
            mixed = self._experts.added(hidden, values)
            if mixed is not None:
                return mixed
        found = self._network(values.unsqueeze(0))
        made: Tensor = found[0] if isinstance(found, tuple) else found
        return hidden.add_(made.view_as(hidden))


def _added(hidden: Tensor, projection: nn.Module, values: Tensor, *, own: bool) -> Tensor:
    """`hidden` plus a projection, in one product where its weights are plain."""
    if not _is_plain(projection) or projection.bias is not None:
        made: Tensor = projection(values)
        return hidden.add_(made) if own else hidden + made
    if own:
        return hidden.addmm_(values, projection.weight.t())
    return torch.addmm(hidden, values, projection.weight.t())


def _is_plain(module: nn.Module) -> TypeGuard[nn.Linear]:
    """Whether it is a linear layer and nothing more: not quantised, without an adapter."""
    return type(module) is nn.Linear


def _check(module: nn.Module, wanted: set[str], more: set[str], name: str) -> None:
    there = {part for part, _ in module.named_children()}
    if wanted - there or there - wanted - more:
        unlike = ", ".join(sorted((wanted - there) | (there - wanted - more)))
        raise Unsupported(f"{name}: its decoder is not as known here; look at {unlike}")
