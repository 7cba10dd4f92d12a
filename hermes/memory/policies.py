"""Retention: which tokens stay when a memory is over its budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Candidates:
    """The video tokens that a policy chooses from, in stream order.

    `frames`, `patches`: [layers, n], the identity of each token in each layer.
    `positions`: [layers, axes, n].
    """

    frames: Tensor
    patches: Tensor
    positions: Tensor

    @property
    def count(self) -> int:
        """How many tokens each layer holds."""
        return self.frames.shape[1]


class RetentionPolicy(Protocol):
    """Chooses what each layer keeps."""

    @property
    def name(self) -> str:
        """What the policy is called in settings, logs and tables."""
        ...

    def select(self, candidates: Candidates, budget: int) -> Tensor:
        """Indices to keep, [layers, budget] int64, ascending within each layer.

        Called only with more candidates than budget.
        """
        ...


@dataclass(frozen=True, slots=True)
class SlidingWindow:
    """First in, first out: the newest tokens stay, the same in every layer."""

    name: str = "sliding-window"

    def select(self, candidates: Candidates, budget: int) -> Tensor:
        """The last `budget` tokens of every layer."""
        layers, count = candidates.frames.shape
        newest = torch.arange(count - budget, count, device=candidates.frames.device)
        return newest.expand(layers, budget)


POLICIES: dict[str, type[SlidingWindow]] = {"sliding-window": SlidingWindow}
"""Every policy by the name that settings use."""
