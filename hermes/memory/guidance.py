"""Guidance: prompts that stand in for the unknown question and show what is worth keeping.

A prompt is a true forward pass through all layers, packed behind the frames
into the same pass: it reads the memory and those frames, sees itself causally,
and leaves nothing behind but how much its rows attended to each token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from hermes.memory.attention import tail_mask
from hermes.memory.rope import Rotary, rotate
from hermes.memory.slab import Slab


class Guidance(Protocol):
    """What one prompt has shown."""

    @property
    def attention(self) -> Tensor:
        """[layers, video tokens] fp32: the weight that each token got."""
        ...


@dataclass(frozen=True, slots=True)
class NotedGuidance:
    """What a prompt had shown before a snapshot was taken."""

    attention: Tensor


class GuidanceRow:
    """One prompt in the pass that writes a memory's next frames. It must come behind their row."""

    def __init__(
        self, slab: Slab, rotary: Rotary, positions: Tensor, first: int, seen: int
    ) -> None:
        """`first`, `seen`: the video tokens that are watched are those from `first` to `seen`."""
        self._slab = slab
        self._rotary = rotary
        self._tables = rotary.tables(positions)
        self._tokens = positions.shape[1]
        self._first = first
        self._seen = seen
        self._mask = tail_mask(self._tokens, self._tokens, slab.keys.device)
        self.attention = torch.zeros(
            (slab.shape.layers, seen - first), dtype=torch.float32, device=slab.keys.device
        )
        """[layers, video tokens]: the weight that each token got, averaged over heads and rows."""

    @property
    def tokens(self) -> int:
        """How many tokens of the pass are this row's."""
        return self._tokens

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """Attend to the memory, the new frames and the prompt; note where the attention went."""
        heads, queries, dim = query.shape
        groups = heads // key.shape[0]
        folded = rotate(query, self._tables).reshape(key.shape[0], groups * queries, dim)
        keys = self._slab.rotated_keys(layer, self._seen, self._rotary)
        own = rotate(key, self._tables)
        far = torch.matmul(folded, keys.mT).to(torch.float32)
        near = torch.matmul(folded, own.mT).to(torch.float32)
        if self._mask is not None:
            near = near.masked_fill(~self._mask.repeat(groups, 1), float("-inf"))
        weights = torch.softmax(torch.cat((far, near), dim=-1) * scale, dim=-1)
        self.attention[layer] = weights[..., self._first : self._seen].mean(dim=(0, 1))
        weights = weights.to(query.dtype)
        out = torch.matmul(weights[..., : self._seen], self._slab.values[layer, :, : self._seen])
        out += torch.matmul(weights[..., self._seen :], value)
        return out.reshape(heads, queries, dim)
