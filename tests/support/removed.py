"""A memory from which tokens were removed, in plain numbers: what a branch must equal."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from hermes.memory import Branch, PackedPass, rotate
from hermes.memory.attention import ReadingRow
from hermes.vlm import VideoMemory


class RemainingRow(ReadingRow):
    """A question's tokens, which see what remains of a memory and, causally, each other.

    It shares no code with branches: each layer's tokens are picked one by one, and the
    softmax is computed over all of them at once.
    """

    def __init__(self, of: VideoMemory, remaining: Tensor, positions: Tensor) -> None:
        """`remaining`: [layers, n] bool, the prefix included. `positions`: [axes, tokens]."""
        cache = of.cache
        self._rotary, self._positions = cache.rotary, positions
        slab, self._kept = cache.held.slab, []
        for layer, kept in enumerate(remaining):
            at = kept.nonzero().flatten()
            tables = cache.rotary.tables(slab.positions[layer][:, at])
            keys = rotate(slab.keys[layer][:, at].clone(), tables)
            self._kept.append((keys, slab.values[layer][:, at].clone()))
        self.tables = cache.rotary.tables(positions)

    @property
    def tokens(self) -> int:
        """How many tokens of the pass belong to this row."""
        return self._positions.shape[1]

    def attend_rotated(
        self, layer: int, query: Tensor, rotated: tuple[Tensor, Tensor], value: Tensor
    ) -> Tensor:
        """Plain attention; `rotated` has the scaled query."""
        keys = torch.cat((self._kept[layer][0], rotated[1]), dim=1)
        values = torch.cat((self._kept[layer][1], value), dim=1)
        groups = query.shape[0] // keys.shape[0]
        keys, values = keys.repeat_interleave(groups, 0), values.repeat_interleave(groups, 0)
        scores = (rotated[0] @ keys.mT).double()
        far = keys.shape[1] - self.tokens
        for token in range(self.tokens):
            scores[:, token, far + token + 1 :] = -torch.inf
        return (scores.softmax(-1) @ values.double()).to(value.dtype)


def logits_of(model: Any, inputs: Tensor, row: ReadingRow) -> Tensor:
    """[vocabulary]: what follows the row."""
    with torch.inference_mode():
        found: Tensor = model.logits(model.forward(inputs, PackedPass([row]))[-1])
    return found


def logits_on(branch: Branch, model: Any, inputs: Tensor) -> Tensor:
    """[vocabulary]: what follows a question on a branch."""
    row = branch.row(len(inputs))
    found = logits_of(model, inputs, row)
    branch.commit(row)
    return found
