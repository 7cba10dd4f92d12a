"""How new each token is against the one before it in the same place of the picture.

A camera that does not move shows the same again and again, and a guidance
prompt attends to each copy. What a layer caches of two copies is all but the
same, so one tells as much as both; what is new, or has just changed, has no
like before it. Nothing of this is in the HERMES paper.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from hermes.memory.summary import SUMMARY_PATCH

QUARTER_NEW = 0.1
"""The distance, as 1 - cosine, at which a token counts as a quarter new. Copies of a still picture
lie ten times closer, changes several times farther.
"""


def novelty(values: Tensor, patches: Tensor) -> Tensor:
    """N = (d / (d + 0.1))^2, d = 1 - cos(v, v'): [L, n] from 0, a copy, to some 0.8, unlike it.

    `values` [L, kv_heads, n, head_dim] and `patches` [L, n], in stream order.
    v' is of the token before it with the same patch that the layer still
    holds. A token that has none before it is 1, and so is a summary.
    """
    order = torch.argsort(patches, dim=-1, stable=True)  # by place, and there in stream order
    places = patches.gather(-1, order)
    follows = (places[:, 1:] == places[:, :-1]) & (places[:, 1:] != SUMMARY_PATCH)
    found = torch.ones(patches.shape, dtype=torch.float32, device=patches.device)
    for layer in range(len(patches)):  # one at a time: in fp32 they are large
        rows = values[layer].transpose(0, 1).flatten(1).index_select(0, order[layer])
        rows = functional.normalize(rows.to(torch.float32), dim=-1)
        apart = (1 - (rows[1:] * rows[:-1]).sum(dim=-1)).clamp_min(0)
        new = torch.where(follows[layer], (apart / (apart + QUARTER_NEW)).square(), 1.0)
        found[layer].index_copy_(0, order[layer, 1:], new)
    return found
