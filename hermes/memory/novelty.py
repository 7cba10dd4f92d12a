"""Novelty: how much each token differs from the last one of the same patch.

A fixed camera shows the same things again and again, and guidance prompts
attend to every copy. A layer caches nearly the same values for two copies, so
keeping one of them is enough; a token that is new, or has just changed, has no
similar one before it. This is not in the HERMES paper.

Where only changes are taken in, there are few copies of a place, but an object that
moves is new at one place after another. So a token is then compared with those that
came just before it, too, and one object leaves room for the next.
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


def novelty(values: Tensor, patches: Tensor, run: int = 0) -> Tensor:
    """N = (d / (d + 0.1))^2, d = 1 - cos(v, v'): [L, n], from 0 (a copy) to about 0.8 (unlike).

    `values` [L, kv_heads, n, head_dim] and `patches` [L, n], in stream order.
    v' belongs to the last token of the same patch that the layer still holds, or
    to one of the `run` tokens before it, of any patch: the nearest counts.
    N is 1 for a token without any of these, and for a summary.
    """
    order = torch.argsort(patches, dim=-1, stable=True)  # by patch, then in stream order
    sorted_patches = patches.gather(-1, order)
    follows = (sorted_patches[:, 1:] == sorted_patches[:, :-1]) & (
        sorted_patches[:, 1:] != SUMMARY_PATCH
    )
    found = torch.ones(patches.shape, dtype=torch.float32, device=patches.device)
    for layer in range(len(patches)):  # one at a time: they are large in fp32
        rows = values[layer].transpose(0, 1).flatten(1)
        rows = functional.normalize(rows.to(torch.float32), dim=-1)
        placed = rows.index_select(0, order[layer])
        apart = (1 - (placed[1:] * placed[:-1]).sum(dim=-1)).clamp_min(0)
        new = torch.where(follows[layer], _new(apart), 1.0)
        found[layer].index_copy_(0, order[layer, 1:], new)
        if run:
            real = patches[layer] != SUMMARY_PATCH
            found[layer] = torch.minimum(found[layer], _new(_to_run(rows, real, run)))
    return found


def _new(apart: Tensor) -> Tensor:
    return torch.where(apart.isinf(), 1.0, (apart / (apart + QUARTER_NEW)).square())


def _to_run(rows: Tensor, real: Tensor, run: int) -> Tensor:
    """How far each of `rows` [n, width] is from the nearest of the `run` before it: [n].

    Infinite where there is none that is `real` [n].
    """
    count = len(rows)
    run = min(run, max(1, count - 1))
    blocks = -(-count // run)
    # Each block of `run` rows against itself and the block before it: a band of the whole table.
    padded = functional.pad(rows, (0, 0, run, blocks * run - count))
    there = functional.pad(real, (run, blocks * run - count))
    own = padded[run:].unflatten(0, (blocks, run))
    before = torch.cat((padded[:-run].unflatten(0, (blocks, run)), own), dim=1)
    known = torch.cat(
        (there[:-run].unflatten(0, (blocks, run)), there[run:].unflatten(0, (blocks, run))), dim=1
    )
    apart = (1 - torch.matmul(own, before.mT)).clamp_min(0)
    band = torch.ones((run, 2 * run), dtype=torch.bool, device=rows.device)
    band = band.triu().tril(run - 1)  # row i of a block: the `run` rows that come before it
    seen = band & known[:, None, :] & there[run:].unflatten(0, (blocks, run))[:, :, None]
    return apart.masked_fill(~seen, torch.inf).amin(dim=-1).flatten()[:count]
