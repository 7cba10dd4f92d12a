"""Some of a memory's tokens, copied for one branch, which reads them in place of the memory."""

from __future__ import annotations

import torch
from torch import Tensor

from hermes.memory.rope import Rotary
from hermes.memory.slab import Slab, SlabPool, caches_rotated_keys
from hermes.memory.stored import bias_of, movable


class Excerpt:
    """Copies of some tokens of a slab: a branch reads it as it reads a slab.

    Layers may hold different numbers of tokens. The slab may change meanwhile.

    - `all_keys`, `values`: [layers, kv_heads, room, head_dim]; keys are rotated
    - `frames`: [layers, length] int64, as in a slab; past a layer's tokens, any
    - `counts`: [layers] int32, how many tokens each layer has
    - `length`: the most tokens of any layer
    """

    def __init__(self, slab: Slab, chosen: Tensor, rotary: Rotary, pool: SlabPool) -> None:
        """`chosen`: [layers, n] bool, which of the slab's first n tokens are copied, in order.

        Raises `Overloaded` if the pool has no room to read one more.
        """
        pool.check_reading()
        shape = self.shape = slab.shape
        self._pool = pool
        self._readers = 0
        self._layers: list[int] = chosen.sum(dim=1).tolist()
        self.length = max(self._layers)
        self.counts: Tensor | None = torch.tensor(
            self._layers, dtype=torch.int32, device=shape.device
        )
        layer_of, index = chosen.nonzero(as_tuple=True)
        within = chosen.cumsum(dim=1)[layer_of, index] - 1
        indices = torch.zeros((shape.layers, self.length), dtype=torch.int64, device=shape.device)
        indices[layer_of, within] = index
        self.frames = slab.frames.gather(1, indices)
        # As much room as a slab's rotated keys take, whatever is copied: it is used again.
        self.all_keys = pool.take_room(slab.keys, shape.dtype)
        self.values = pool.take_room(slab.values, shape.stored_dtype)
        self._copy(slab, indices, chosen.shape[1], rotary)

    def _copy(self, slab: Slab, indices: Tensor, seen: int, rotary: Rotary) -> None:
        shape = self.shape
        cached = slab.readers > 0 or caches_rotated_keys(shape)
        for layer, count in enumerate(self._layers):
            chosen = indices[layer, :count]
            found = movable(slab.values[layer]).index_select(1, chosen)
            movable(self.values)[layer, :, :count] = found
            if cached:  # other branches read them, too
                keys = slab.rotated_keys(layer, seen, rotary)
                self.all_keys[layer, :, :count] = keys.index_select(1, chosen)
        if not cached:
            counts = self.counts
            assert counts is not None
            rotary.rotate_keys(
                slab.keys,
                slab.positions,
                self.all_keys,
                0,
                self.length,
                (indices, counts),
                bias=bias_of(shape, slice(None)),
            )

    def read(self, layer: int, length: int, rotary: Rotary) -> tuple[Tensor, Tensor]:
        """Rotated keys and stored values of all of a layer's tokens, as of a slab."""
        count = min(length, self._layers[layer])
        return self.all_keys[layer, :, :count], self.values[layer, :, :count]

    def all_rotated_keys(self, length: int, rotary: Rotary) -> Tensor:
        """Keys of all layers, rotated: [layers, kv_heads, room, head_dim]."""
        return self.all_keys

    def open(self) -> None:
        """Add a reader. Raises `Overloaded` if the pool has no room to read one more."""
        if self._readers == 0:
            self._pool.begin_reading()
        self._readers += 1

    def close(self) -> None:
        """Remove a reader. After the last one, the room goes back to the pool."""
        self._readers -= 1
        if self._readers == 0:
            self._pool.give_room(self.all_keys)
            self._pool.give_room(self.values)
            self._pool.end_reading()
