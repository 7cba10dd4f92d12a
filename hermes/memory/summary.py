"""Summary tokens: tokens that the deep band evicts are averaged into one.

Keys are cached unrotated, so the mean of keys "after each was rotated to the
summary's position" is the plain mean of the raw ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from hermes.memory.scores import top

SUMMARY_PATCH = -1
"""The patch number of a summary token."""


@dataclass(frozen=True, slots=True)
class Merge:
    """A summary of one layer's evicted tokens.

    `slot`: its index in the layer's `keep`. `members`: [m] int64, the
    candidates that are averaged. `position`: `own`, that of the candidate whose
    slot it takes, or `newest`, a new one past all others.
    """

    slot: int
    members: Tensor
    position: Literal["own", "newest"]


def merge_newest(scores: Tensor, summaries: Tensor, budget: int) -> tuple[Tensor, Merge]:
    """The paper's summary: at the newest position, averaged with the last summary."""
    return merge_evicted(torch.where(summaries, -torch.inf, scores), budget)


def merge_evicted(scores: Tensor, budget: int) -> tuple[Tensor, Merge]:
    """The summary of the authors' code: as the paper's, of all that is evicted.

    Older summaries have scores as all tokens have: each is kept, or averaged again.
    """
    kept = top(scores, budget - 1)
    evicted = _others(kept, len(scores))
    keep = torch.cat((kept, evicted[-1:]))
    return keep, Merge(budget - 1, evicted, "newest")


def merge_pinned(scores: Tensor, summaries: Tensor, budget: int, ring: int) -> tuple[Tensor, Merge]:
    """A ring of summaries, each in the slot of the middle token that it summarises.

    Older summaries stay unchanged; the oldest is evicted when the ring is full.
    """
    held = summaries.nonzero().flatten()
    room = min(ring - 1, max(0, budget - 1))
    staying = held[len(held) - min(len(held), room) :]
    adjusted = torch.where(summaries, -torch.inf, scores)
    adjusted[staying] = torch.inf
    kept = top(adjusted, budget - 1)
    evicted = _others(kept, len(scores))
    members = evicted[~summaries[evicted]]
    middle = members[len(members) // 2]
    keep = torch.cat((kept, middle[None])).sort().values
    return keep, Merge(int((keep == middle).nonzero()), members, "own")


def _others(kept: Tensor, count: int) -> Tensor:
    left = torch.ones(count, dtype=torch.bool, device=kept.device)
    left[kept] = False
    return left.nonzero().flatten()
