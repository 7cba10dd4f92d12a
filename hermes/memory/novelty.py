"""Novelty: how much each token differs from the last one of the same patch.

A fixed camera shows the same things again and again, and guidance prompts
attend to every copy. A layer caches nearly the same values for two copies, so
keeping one of them is enough; a token that is new, or has just changed, has no
similar one before it. This is not in the HERMES paper.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from hermes.memory.summary import SUMMARY_PATCH

QUARTER_NEW = 0.1
"""The distance, as 1 - cosine, at which novelty is a quarter. Copies of a still picture are ten
times closer, changes several times farther apart.
"""


def novelty(values: Tensor, patches: Tensor) -> Tensor:
    """N = (d / (d + 0.1))^2, d = 1 - cos(v, v'): [L, n], from 0 (a copy) to about 0.8 (unlike).

    `values` [L, kv_heads, n, head_dim] and `patches` [L, n], in stream order.
    v' belongs to the last token of the same patch that the layer still holds.
    N is 1 for a token without one before it, and for a summary.
    """
    order = torch.argsort(patches, dim=-1, stable=True)  # by patch, then in stream order
    sorted_patches = patches.gather(-1, order)
    follows = (sorted_patches[:, 1:] == sorted_patches[:, :-1]) & (
        sorted_patches[:, 1:] != SUMMARY_PATCH
    )
    found = torch.ones(patches.shape, dtype=torch.float32, device=patches.device)
    for layer in range(len(patches)):  # one at a time: they are large in fp32
        rows = values[layer].transpose(0, 1).flatten(1).index_select(0, order[layer])
        rows = functional.normalize(rows.to(torch.float32), dim=-1)
        apart = (1 - (rows[1:] * rows[:-1]).sum(dim=-1)).clamp_min(0)
        new = torch.where(follows[layer], (apart / (apart + QUARTER_NEW)).square(), 1.0)
        found[layer].index_copy_(0, order[layer, 1:], new)
    return found
