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


@dataclass(frozen=True, slots=True, eq=False)
class Summaries:
    """A summary of the evicted tokens of each of some layers. All but `counts` is on the device.

    `layers`: which ones, as a slice. `slots`: [k] int64, the index of each in the
    layer's `keep`. `members`: [k, m] int64, the candidates that are averaged, in
    order: of each layer as many as `counts` says. `position`: `own`, that of the
    candidate whose slot it takes, or `newest`, a new one past all others.
    """

    layers: slice
    slots: Tensor
    members: Tensor
    counts: list[int]
    position: Literal["own", "newest"]


def merge_newest(
    scores: Tensor, held: Tensor, budget: int, layers: slice
) -> tuple[Tensor, Summaries]:
    """The paper's summary: at the newest position, averaged with the last summary.

    `scores`: [k, n], those of `layers`. `held`: [k, n] bool, which tokens are summaries.
    Returns what is kept, [k, budget], and the new summaries.
    """
    return merge_evicted(scores.masked_fill(held, -torch.inf), budget, layers)


def merge_evicted(scores: Tensor, budget: int, layers: slice) -> tuple[Tensor, Summaries]:
    """The summary of the authors' code: as the paper's, of all that is evicted.

    Older summaries have scores as all tokens have: each is kept, or averaged again.
    """
    kept = top(scores, budget - 1)
    evicted = _first(_others(kept, scores), scores.shape[1] - budget + 1)
    slots = torch.full((len(scores),), budget - 1, dtype=torch.int64, device=scores.device)
    counts = [evicted.shape[1]] * len(scores)
    return torch.cat((kept, evicted[:, -1:]), 1), Summaries(
        layers, slots, evicted, counts, "newest"
    )


def merge_pinned(
    scores: Tensor, held: Tensor, budget: int, layers: slice, ring: int
) -> tuple[Tensor, Summaries]:
    """A ring of summaries, each in the slot of the middle token that it summarises.

    Older summaries stay unchanged; the oldest is evicted when the ring is full.
    """
    room = min(ring - 1, max(0, budget - 1))
    newer = held.flip(1).cumsum(dim=1).flip(1)  # how many there are from a token on
    staying = held & (newer <= room)
    adjusted = scores.masked_fill(held, -torch.inf).masked_fill(staying, torch.inf)
    kept = top(adjusted, budget - 1)
    averaged = _others(kept, scores) & ~held
    found = averaged.sum(dim=1)
    members = _first(averaged, scores.shape[1] - budget + 1)
    middle = members.gather(1, found.div(2, rounding_mode="floor").unsqueeze(1))
    keep = torch.cat((kept, middle), 1).sort(dim=1).values
    slots = torch.searchsorted(keep, middle).squeeze(1)
    return keep, Summaries(layers, slots, members, found.tolist(), "own")  # waits for the device


def _others(kept: Tensor, scores: Tensor) -> Tensor:
    """Which of the tokens are not `kept`: bool, as `scores`."""
    return torch.ones_like(scores, dtype=torch.bool).scatter_(1, kept, False)


def _first(wanted: Tensor, count: int) -> Tensor:
    """[k, count] int64: where `wanted` [k, n] is true, in order; then where it is not."""
    return torch.argsort(~wanted, dim=1, stable=True)[:, :count]
