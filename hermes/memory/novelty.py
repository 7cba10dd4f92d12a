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

_AT_ONCE = {"cpu": 1 << 18}
_AT_ONCE_ELSEWHERE = 1 << 24
"""Numbers of the vectors that are compared at once: on a CPU no more than its caches hold."""


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
    layers, count = patches.shape
    width = values.shape[1] * values.shape[3]
    most = _AT_ONCE.get(values.device.type, _AT_ONCE_ELSEWHERE)
    at_once = max(1, most // max(1, count * width))  # vectors are large in fp32
    apart, nearest = [], []
    for first in range(0, layers, at_once):
        some = slice(first, first + at_once)
        rows = values[some].transpose(1, 2).flatten(2)
        rows = functional.normalize(rows.to(torch.float32), dim=-1)
        lines = torch.arange(len(rows), device=order.device)[:, None] * count + order[some]
        placed = rows.flatten(0, 1).index_select(0, lines.flatten()).view_as(rows)
        apart.append((placed[:, 1:] * placed[:, :-1]).sum(dim=-1))
        if run:
            nearest.append(_to_run(rows, patches[some] != SUMMARY_PATCH, run))
    far = (1 - torch.cat(apart)).clamp_min(0)
    found = torch.ones(patches.shape, dtype=torch.float32, device=patches.device)
    found.scatter_(1, order[:, 1:], torch.where(follows, _new(far), 1.0))
    return torch.minimum(found, _new(torch.cat(nearest))) if run else found


def _new(apart: Tensor) -> Tensor:
    return torch.where(apart.isinf(), 1.0, (apart / (apart + QUARTER_NEW)).square())


def _to_run(rows: Tensor, real: Tensor, run: int) -> Tensor:
    """How far each of `rows` [L, n, width] is from the nearest of the `run` before it: [L, n].

    Infinite where there is none that is `real` [L, n].
    """
    count = real.shape[1]
    run = min(run, max(1, count - 1))
    blocks = -(-count // run)
    # Each block of `run` rows against itself and the block before it: a band of the whole table.
    padded = functional.pad(rows, (0, 0, run, blocks * run - count))
    there = functional.pad(real, (run, blocks * run - count))
    own = padded[:, run:].unflatten(1, (blocks, run))
    before = torch.cat((padded[:, :-run].unflatten(1, (blocks, run)), own), dim=2)
    here = there[:, run:].unflatten(1, (blocks, run))
    known = torch.cat((there[:, :-run].unflatten(1, (blocks, run)), here), dim=2)
    apart = (1 - torch.matmul(own, before.mT)).clamp_min(0)
    band = torch.ones((run, 2 * run), dtype=torch.bool, device=rows.device)
    band = band.triu().tril(run - 1)  # row i of a block: the `run` rows that come before it
    seen = band & known[..., None, :] & here[..., None]
    return apart.masked_fill(~seen, torch.inf).amin(dim=-1).flatten(1)[:, :count]
