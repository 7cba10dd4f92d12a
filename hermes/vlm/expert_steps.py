"""A mixture of experts over a few tokens, in steps: what `hermes.vlm.expert_kernels` computes.

Each token's weights are copied: this is the reference, and too slow for anything else.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def gated(values: Tensor, router: Tensor, weights: Tensor, chosen: int) -> Tensor:
    """As the kernel of this name, in steps."""
    experts = router.topk(chosen).indices
    both = torch.matmul(weights[experts], values[:, None, :, None]).squeeze(-1)
    gate, up = both.chunk(2, dim=-1)
    return functional.silu(gate) * up


def mixed(hidden: Tensor, made: Tensor, router: Tensor, weights: Tensor) -> Tensor:
    """As the kernel of this name, in steps."""
    levels, experts = router.float().softmax(dim=-1).topk(made.shape[1])
    shares = levels / levels.sum(dim=-1, keepdim=True)
    each = torch.matmul(weights[experts], made.unsqueeze(-1)).squeeze(-1)
    return hidden.add_((each.float() * shares.unsqueeze(-1)).sum(dim=1))
