"""Guidance: prompts that stand in for the unknown question and show what is worth keeping.

A prompt goes through all layers, packed after the frames into the same pass: it
reads the memory and those frames, and itself causally. All that remains of it
is how much it attended to each token.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hermes.memory.attention import tail_mask
from hermes.memory.rope import Rotary, rotate
from hermes.memory.slab import Slab

_AT_ONCE = {"cpu": 1 << 20}
_AT_ONCE_ELSEWHERE = 1 << 26
"""Attention weights computed at once. A CPU takes twice as long for what its caches cannot hold."""


class GuidanceRow:
    """A guidance prompt in the pass that writes a memory's next frames. It follows their row."""

    def __init__(
        self, slab: Slab, rotary: Rotary, positions: Tensor, first: int, seen: int
    ) -> None:
        """The prompt reads the first `seen` tokens; its attention is noted from `first` on."""
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
        """[layers, video tokens]: the attention weight of each, averaged over heads and queries."""

    @property
    def tokens(self) -> int:
        """How many tokens of the pass belong to this row."""
        return self._tokens

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """Attend to the memory, the new frames and the prompt, and note the weights."""
        heads, queries, dim = query.shape
        groups = heads // key.shape[0]
        # The query is scaled, and the prompt's own keys follow the others: this way the weights,
        # which are many, are read and written as few times as possible.
        folded = rotate(query, self._tables, scale=scale).reshape(-1, groups * queries, dim)
        keys = self._slab.rotated_keys(layer, self._seen, self._rotary)
        keys = torch.cat((keys, rotate(key, self._tables)), dim=1)
        values = torch.cat((self._slab.wide_values(layer, self._seen), value), dim=1)
        at_once = max(1, _AT_ONCE.get(keys.device.type, _AT_ONCE_ELSEWHERE) // keys[..., 0].numel())
        unseen = None if self._mask is None else ~self._mask.repeat(groups, 1)
        noted = torch.zeros(keys.shape[1], dtype=torch.float32, device=keys.device)
        outs = []
        for start in range(0, groups * queries, at_once):
            block = slice(start, start + at_once)
            scores = torch.matmul(folded[:, block], keys.mT)
            if unseen is not None:
                scores[..., self._seen :].masked_fill_(unseen[block], float("-inf"))
            weights = torch.softmax(scores, dim=-1, dtype=torch.float32)
            noted += weights.sum(dim=(0, 1))
            outs.append(torch.matmul(weights.to(query.dtype), values))
        self.attention[layer] = noted[self._first : self._seen] / (heads * queries)
        return torch.cat(outs, dim=1).reshape(heads, queries, dim)


@dataclass(frozen=True, slots=True)
class Projections:
    """What every layer makes of a prompt's bare embeddings, not rotated.

    `queries`: [layers, heads, n, head_dim]. `keys`: [layers, kv_heads, n, head_dim].
    """

    queries: Tensor
    keys: Tensor


class EmbeddingsRow:
    """A guidance prompt as the authors' code has it, in the place of a `GuidanceRow`.

    In every layer the prompt's embeddings ask, as if no layer had come before, and each of its
    tokens sees all others. What the pass makes of the prompt is not used.
    """

    def __init__(
        self,
        slab: Slab,
        rotary: Rotary,
        positions: Tensor,
        first: int,
        seen: int,
        projections: Projections,
    ) -> None:
        """As of a `GuidanceRow`."""
        self._slab = slab
        self._rotary = rotary
        self._tables = rotary.tables(positions)
        self._tokens = positions.shape[1]
        self._first = first
        self._seen = seen
        self._of = projections
        self.attention = torch.zeros(
            (slab.shape.layers, seen - first), dtype=torch.float32, device=slab.keys.device
        )
        """[layers, video tokens]: the attention weight of each, averaged over heads and queries."""

    @property
    def tokens(self) -> int:
        """How many tokens of the pass belong to this row."""
        return self._tokens

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """Note the weights of this layer. What is returned is zero: nothing reads it."""
        queries = rotate(self._of.queries[layer].to(torch.float32), self._tables)
        own = rotate(self._of.keys[layer], self._tables)
        keys = self._slab.rotated_keys(layer, self._seen, self._rotary)
        keys = torch.cat((keys, own), dim=1).to(torch.float32)
        heads, tokens, dim = queries.shape
        folded = (scale * queries).reshape(len(keys), -1, dim)
        weights = torch.softmax(torch.matmul(folded, keys.mT), dim=-1)
        noted = weights.sum(dim=(0, 1))
        self.attention[layer] = noted[self._first : self._seen] / (heads * tokens)
        return torch.zeros_like(query)
