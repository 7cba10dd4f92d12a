"""The bytes of one memory: preallocated tensors that a forward pass fills in place."""

from __future__ import annotations

import weakref
from collections.abc import Callable

import torch
from torch import Tensor

from hermes.errors import Overloaded
from hermes.memory.rope import Rotary, rotate
from hermes.memory.shape import CacheShape
from hermes.memory.stored import bias_of, kernels_that_store, movable, narrowed, widened

STANDS = torch.iinfo(torch.int64).max
"""In `Slab.until`: no frame has taken the token's place in anew."""


class Slab:
    """Keys, values and the identity of every token, layer by layer.

    All layers have the same length. Which token lies at an index may differ
    from layer to layer: each layer keeps what it needs.

    - `keys`, `values`: [layers, kv_heads, capacity, head_dim], as `hermes.memory.stored` says;
      keys are not rotated
    - `positions`: [layers, axes, capacity] int32
    - `frames`: [layers, capacity] int64, the number of a token's frame; -1 for
      the prefix
    - `patches`: [layers, capacity] int32, the number of a token within its frame
    - `until`: [layers, capacity] int64, the number of the frame that took the token's
      place in anew; `STANDS` if none did, or it is held: then it is found there
      (`hermes.memory.present.until`)
    """

    counts: Tensor | None = None
    """None: every layer has the same length."""

    @torch.inference_mode(False)  # tensors made in inference mode could not be written outside it
    def __init__(self, shape: CacheShape, capacity: int, pool: SlabPool | None = None) -> None:
        """`pool`: gets the slab back once it is retired and has no readers."""
        self.shape = shape
        self.capacity = capacity
        size = (shape.layers, shape.kv_heads, capacity, shape.head_dim)
        self.keys = torch.zeros(size, dtype=shape.stored_dtype, device=shape.device)
        self.values = torch.zeros(size, dtype=shape.stored_dtype, device=shape.device)
        self.positions = torch.zeros(
            (shape.layers, shape.axes, capacity), dtype=torch.int32, device=shape.device
        )
        self.frames = torch.full(
            (shape.layers, capacity), -1, dtype=torch.int64, device=shape.device
        )
        self.patches = torch.zeros((shape.layers, capacity), dtype=torch.int32, device=shape.device)
        self.until = torch.full(
            (shape.layers, capacity), STANDS, dtype=torch.int64, device=shape.device
        )
        self.length = 0
        self.readers = 0
        # Weakly, as a pool has the slabs that came back: together they would outlive the memory.
        self._pool: Callable[[], SlabPool | None] = _none if pool is None else weakref.ref(pool)
        self._retired = False
        self._rotated: Tensor | None = None
        self._rotated_length = [0] * shape.layers
        self._last: tuple[int, int, Tensor] | None = None
        self._last_values: tuple[int, int, Tensor] | None = None

    def store(self, layer: int, first: int, key: Tensor, value: Tensor) -> None:
        """Store keys and values [kv_heads, n, head_dim] of a layer, from token `first` on."""
        end = first + key.shape[1]
        if self.shape.stored is not None:
            bias = bias_of(self.shape, slice(layer, layer + 1))
            kernels = kernels_that_store(self.shape.device, self.shape.head_dim)
            if kernels is not None:
                added = None if bias is None else bias[0, :, 0]
                kernels.store(key, value, added, self.keys[layer], self.values[layer], first)
                return
            key, value = narrowed(key, None if bias is None else bias[0]), narrowed(value)
        self.keys[layer, :, first:end] = key
        self.values[layer, :, first:end] = value

    def wide_values(self, layer: int, length: int) -> Tensor:
        """Values of a layer up to `length` in the model's type: [kv_heads, length, head_dim]."""
        held = self.values[layer, :, :length]
        if self.shape.stored is None:
            return held
        # The rows of one pass ask for the same layer one after another.
        if self._last_values is None or self._last_values[:2] != (layer, length):
            self._last_values = (layer, length, held.to(self.shape.dtype))
        return self._last_values[2]

    def rotated_keys(
        self,
        layer: int,
        length: int,
        rotary: Rotary,
        newest: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Keys of a layer up to `length`, rotated: [kv_heads, length, head_dim].

        `newest`: the tables of the last keys' positions, if they are at hand: computing them
        again for each layer takes longer than rotating a few keys.

        On a CPU, and elsewhere while the slab has readers, rotated keys are
        cached, and only those appended since the last call are rotated. The
        cache is half as large as the slab, which a GPU has better use for.
        """
        if self.readers == 0 and not caches_rotated_keys(self.shape):
            return self._rotated_once(layer, length, rotary)
        done = self._rotated_length[layer]
        if self._rotated is None or done < length:
            self._rotate_layer(layer, done, length, rotary, newest)
        assert self._rotated is not None
        return self._rotated[layer, :, :length]

    def all_rotated_keys(self, length: int, rotary: Rotary) -> Tensor:
        """Keys of all layers, rotated up to `length`: [layers, kv_heads, capacity, head_dim].

        Neither the tensor nor those keys change while the slab has readers.
        """
        done = min(self._rotated_length)
        if self._rotated is None or done < length:
            self._rotate_all(done, length, rotary)
        assert self._rotated is not None
        return self._rotated

    @torch.inference_mode()
    def _rotate_all(self, done: int, length: int, rotary: Rotary) -> None:
        if self._rotated is None:
            self._rotated = self._room_for_keys()
        bias = bias_of(self.shape, slice(None))
        rotary.rotate_keys(self.keys, self.positions, self._rotated, done, length, bias=bias)
        self._rotated_length = [max(length, known) for known in self._rotated_length]

    @torch.inference_mode()
    def _rotate_layer(
        self,
        layer: int,
        done: int,
        length: int,
        rotary: Rotary,
        newest: tuple[Tensor, Tensor] | None,
    ) -> None:
        if self._rotated is None:
            self._rotated = self._room_for_keys()
        if newest is not None and len(newest[0]) == length - done:
            keys, bias = (
                self.keys[layer, :, done:length],
                bias_of(self.shape, slice(layer, layer + 1)),
            )
            if self.shape.stored is not None:
                keys = widened(keys, None if bias is None else bias[0])
            rotate(keys, newest, out=self._rotated[layer, :, done:length])
        else:
            self._rotate_one(layer, self._rotated[layer : layer + 1], rotary, done, length)
        self._rotated_length[layer] = length

    def _rotated_once(self, layer: int, length: int, rotary: Rotary) -> Tensor:
        # The rows of one pass ask for the same layer one after another.
        if self._last is None or self._last[:2] != (layer, length):
            size = (1, self.shape.kv_heads, length, self.shape.head_dim)
            made = torch.empty(size, dtype=self.shape.dtype, device=self.shape.device)
            self._rotate_one(layer, made, rotary, 0, length)
            self._last = (layer, length, made[0])
        return self._last[2]

    def _rotate_one(self, layer: int, out: Tensor, rotary: Rotary, first: int, end: int) -> None:
        one = slice(layer, layer + 1)
        bias = bias_of(self.shape, one)
        rotary.rotate_keys(self.keys[one], self.positions[one], out, first, end, bias=bias)

    def read(self, layer: int, length: int, rotary: Rotary) -> tuple[Tensor, Tensor]:
        """Rotated keys and stored values of a layer up to `length`, each [kv_heads, n, head_dim].

        The values have the type in which they are stored.
        """
        keys = self.rotated_keys(layer, length, rotary)
        return keys[:, :length], self.values[layer, :, :length]

    def begin_pass(self) -> None:
        """Tokens past `length` will be written: what was made of a layer last is stale."""
        self._last = self._last_values = None

    def forget_tail(self) -> None:
        """What was written past `length` was abandoned: cached rotations past it are stale."""
        self._rotated_length = [min(done, self.length) for done in self._rotated_length]

    def open(self) -> None:
        """Add a reader. While there is one, nothing below `length` moves in this slab.

        Raises `Overloaded` if its pool has no room to read another slab.
        """
        pool = self._pool()
        if self.readers == 0 and pool is not None:
            pool.begin_reading()
        self.readers += 1

    def close(self) -> None:
        """Remove a reader."""
        self.readers -= 1
        if self.readers == 0:
            pool = self._pool()
            if not caches_rotated_keys(self.shape):
                if pool is not None and self._rotated is not None:
                    pool.give_room(self._rotated)
                self._rotated = None
                self.moved()
            if pool is not None:
                pool.end_reading()
            self._return_if_unused()

    def retire(self) -> None:
        """Mark the slab as left by its memory. It returns to its pool after its last reader."""
        self._retired = True
        self._return_if_unused()

    def _return_if_unused(self) -> None:
        pool = self._pool()
        if self._retired and self.readers == 0 and pool is not None:
            pool.give(self)

    def _room_for_keys(self) -> Tensor:
        pool, dtype = self._pool(), self.shape.dtype
        if pool is None:
            return _uninitialised(self.keys, dtype)
        return pool.take_room(self.keys, dtype)

    def reset(self) -> None:
        """Empty the slab for another memory."""
        self.length, self._retired = 0, False
        self.moved()

    def moved(self) -> None:
        """Tokens or their positions changed: all cached rotations are stale."""
        self._rotated_length = [0] * self.shape.layers
        self._last = self._last_values = None

    def keep(self, indices: Tensor, into: Slab) -> None:
        """Gather `indices` ([layers, n]) to the front of `into`, which may be `self`."""
        if into is self and self.readers:
            raise RuntimeError("a slab that is being read must not be rearranged")
        count = indices.shape[1]
        for first in range(0, self.shape.layers, MOVED_AT_ONCE):
            some = slice(first, first + MOVED_AT_ONCE)
            into.keys[some, :, :count] = rows_of(self.keys[some], indices[some])
            into.values[some, :, :count] = rows_of(self.values[some], indices[some])
        axes = indices.unsqueeze(1).expand(-1, self.shape.axes, -1)
        into.positions[:, :, :count] = self.positions.gather(2, axes)
        into.frames[:, :count] = self.frames.gather(1, indices)
        into.patches[:, :count] = self.patches.gather(1, indices)
        into.until[:, :count] = self.until.gather(1, indices)
        into.length = count
        into.moved()


MOVED_AT_ONCE = 7
"""Layers whose tokens move in one step, which takes a copy of them for a moment."""


def rows_of(cached: Tensor, indices: Tensor) -> Tensor:
    """The rows at `indices` [layers, n] of [layers, kv_heads, capacity, head_dim], by layer.

    `cached` is contiguous.
    """
    layers, heads, capacity, dim = cached.shape
    dtype, cached = cached.dtype, movable(cached)
    starts = torch.arange(layers * heads, device=cached.device) * capacity
    rows = starts.view(layers, heads, 1) + indices.unsqueeze(1)
    found = cached.view(-1, dim).index_select(0, rows.flatten()).view(layers, heads, -1, dim)
    return found.view(dtype)


def _none() -> SlabPool | None:
    """A slab without a pool."""
    return None


def caches_rotated_keys(shape: CacheShape) -> bool:
    """Whether slabs of this shape keep a rotated copy of all keys even without readers."""
    return shape.device.type == "cpu"


@torch.inference_mode(False)  # as those of a slab
def _uninitialised(like: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.empty_like(like, dtype=dtype)


class SlabPool:
    """A pool of slabs: a memory that is closed returns its slab for the next one.

    Device memory is allocated once, so that opening and closing many memories does
    not fragment it. Not thread-safe.
    """

    def __init__(self, shape: CacheShape) -> None:
        self.shape = shape
        self.made = 0
        """How many slabs were ever allocated."""
        self.most_read: int | None = None
        """How many slabs and excerpts may be read at once; None: any number. Each takes room for
        copies of its keys.
        """
        self._read = 0
        self._slabs: dict[int, list[Slab]] = {}
        self._room: dict[tuple[torch.Size, torch.dtype], list[Tensor]] = {}

    def take(self, capacity: int) -> Slab:
        """An empty slab."""
        free = self._slabs.get(capacity)
        if free:
            slab = free.pop()
            slab.reset()
            return slab
        self.made += 1
        return Slab(self.shape, capacity, self)

    def give(self, slab: Slab) -> None:
        """Return a slab that is no longer used."""
        self._slabs.setdefault(slab.capacity, []).append(slab)

    @property
    def can_read(self) -> bool:
        """Whether there is room to read one more slab or excerpt."""
        return self.most_read is None or self._read < self.most_read

    def check_reading(self) -> None:
        """Raises `Overloaded` unless `can_read`."""
        if not self.can_read:
            raise Overloaded(
                f"{self._read} memories are being read, the most that this device has room for"
            )

    def begin_reading(self) -> None:
        """Count one that is read. Raises `Overloaded` if there is no room for it."""
        self.check_reading()
        self._read += 1

    def end_reading(self) -> None:
        """Count one as read no more."""
        self._read -= 1

    def clear(self) -> None:
        """Free what lies in the pool."""
        self._slabs.clear()
        self._room.clear()

    def take_room(self, like: Tensor, dtype: torch.dtype) -> Tensor:
        """An uninitialised tensor of this size, for rotated keys or for copies of values."""
        free = self._room.get((like.shape, dtype))
        return free.pop() if free else _uninitialised(like, dtype)

    def give_room(self, room: Tensor) -> None:
        """Return a tensor that `take_room` gave."""
        self._room.setdefault((room.shape, room.dtype), []).append(room)
