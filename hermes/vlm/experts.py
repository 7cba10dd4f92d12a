"""A mixture of experts over a few tokens, as an answer reads one at a time.

transformers sorts tokens by their experts, so that the weights of each expert are read once. That
takes 22 launches a layer. For a few tokens three are enough: the router, and two kernels
(`hermes.vlm.expert_kernels`) that find each token's experts themselves.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from hermes.vlm import expert_steps

log = logging.getLogger(__name__)

FEW = 16
"""Tokens that are read without sorting them. More tokens share experts, and each would read the
weights of its experts again.
"""
_MULTIPLE = 16
"""Of which the sizes of the weights are multiples."""
_KNOWN = "Qwen3VLMoeTextSparseMoeBlock", "Qwen3VLMoeTextTopKRouter", "Qwen3VLMoeTextExperts"
"""The network whose router and experts are as here. Quantised ones, and those with an adapter, are
of other classes.
"""


class Kernels(Protocol):
    """What computes the products of experts: `hermes.vlm.expert_kernels`."""

    def gated(self, values: Tensor, router: Tensor, weights: Tensor, chosen: int) -> Tensor:
        """[n, width] -> [n, chosen, inner]: silu(gate(x)) * up(x) of each token's experts."""
        ...

    def mixed(self, hidden: Tensor, made: Tensor, router: Tensor, weights: Tensor) -> Tensor:
        """`hidden` plus down(made), each expert with its share."""
        ...


class Experts:
    """A router and experts whose weights are plain tensors."""

    def __init__(self, network: Any) -> None:
        """`network`: of transformers."""
        self._router: Tensor = network.gate.weight
        self._chosen: int = network.gate.top_k
        self._gate_up: Tensor = network.experts.gate_up_proj
        self._down: Tensor = network.experts.down_proj

    @classmethod
    def of(cls, network: nn.Module) -> Self | None:
        """The experts of a network; None if it is of another kind, or its weights are quantised."""
        parts = (network, getattr(network, "gate", None), getattr(network, "experts", None))
        if tuple(type(part).__name__ for part in parts) != _KNOWN:
            return None
        found: Any = network
        weights = (found.gate.weight, found.experts.gate_up_proj, found.experts.down_proj)
        plain = all(_is_plain(part, weights[0]) for part in weights)
        return cls(network) if plain and _is_silu(found.experts.act_fn) else None

    def added(self, hidden: Tensor, values: Tensor) -> Tensor | None:
        """`hidden`, overwritten by its sum with what the experts make of `values`.

        None, and `hidden` is as it was, where the network's own forward is better: for many
        tokens, and where there are no kernels.
        """
        kernels = kernels_for(values.device, values.dtype) if len(values) <= FEW else None
        if kernels is None:
            return None
        router = functional.linear(values, self._router)
        made = kernels.gated(values, router, self._gate_up, self._chosen)
        return kernels.mixed(hidden, made, router, self._down)


def _is_plain(weights: Tensor, like: Tensor) -> bool:
    """Whether these are numbers in line, and not a quantised tensor that looks like them."""
    quantised = hasattr(weights, "__tensor_flatten__")
    even = all(size % _MULTIPLE == 0 for size in weights.shape[1:])
    return weights.dtype == like.dtype and weights.is_contiguous() and even and not quantised


def _is_silu(activation: nn.Module) -> bool:
    probe = torch.linspace(-3, 3, 7)
    return torch.equal(activation(probe), functional.silu(probe))


@cache
def kernels_for(device: torch.device, dtype: torch.dtype) -> Kernels | None:
    """The kernels, if they can be compiled on this machine and are right on this device."""
    if device.type != "cuda":
        return None
    try:
        from hermes.vlm import expert_kernels

        found = _tried(expert_kernels, device, dtype)
        expected = _tried(expert_steps, device, dtype)
        if torch.allclose(found, expected, rtol=2e-2, atol=2e-2):
            return expert_kernels
        log.warning("kernels for experts are wrong on %s: tokens are sorted by expert", device)
    except Exception as error:  # no Triton, no compiler, or a GPU that it does not know
        log.warning("no kernels for experts on %s (%s): tokens are sorted by expert", device, error)
    return None


def _tried(kernels: Kernels, device: torch.device, dtype: torch.dtype) -> Tensor:
    """What two tokens make of four small experts."""
    values = torch.linspace(-1, 1, 32, device=device, dtype=dtype).view(2, 16)
    router = torch.tensor([[0.0, 2, 1, -1], [3, 0, -2, 1]], device=device, dtype=dtype)
    weights = torch.linspace(-1, 1, 4 * 48 * 16, device=device, dtype=dtype)
    gate_up, down = weights.split((4 * 32 * 16, 4 * 16 * 16))
    made = kernels.gated(values, router, gate_up.view(4, 32, 16), 2)
    return kernels.mixed(values.clone(), made, router, down.view(4, 16, 16))
