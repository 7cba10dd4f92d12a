"""A copy of a memory, made step by step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from hermes.memory.coverage import FrameTable
from hermes.memory.device import Copier
from hermes.memory.held import Held
from hermes.memory.host import PlainCopier
from hermes.memory.state import NO_MEDIA, MemoryState


class Capture:
    """A copy of a memory that is made a layer at a time, with other work of the device in between.

    The memory must not change until the last step, so that `state` shows one moment.
    """

    def __init__(
        self,
        held: Held,
        header: dict[str, Any],
        copier: Copier | None = None,
        *,
        ends: bool = False,
    ) -> None:
        """`header`: what else goes into the state's header. `copier`: by default each copy is
        waited for. `ends`: whether it is known of tokens until when they stood.
        """
        slab, table, clock = held.slab, held.table, held.clock
        length = slab.length
        self._slab, self._copied = slab, 0
        self._copier = copier or PlainCopier()
        self._tensors = {
            "keys": _like(slab.keys[:, :, :length]),
            "values": _like(slab.values[:, :, :length]),
            "positions": self._copy(slab.positions[:, :, :length]),
            "frames": self._copy(slab.frames[:, :length]),
            "patches": self._copy(slab.patches[:, :length]),
            "stamps": _numbers(table),
            "gaps": torch.tensor(table.gaps(), dtype=torch.int64).reshape(-1, 2),
        }
        if ends:
            self._tensors["until"] = self._copy(slab.until[:, :length])
            self._tensors["beside"] = _stamps(table)
        if held.guidance:
            self._tensors["guidance"] = self._copy(torch.stack(held.guidance))
        self._header = {
            **header,
            "prefix_length": held.prefix_length,
            "length": length,
            "frame_tokens": held.frame_tokens,
            "time_step": held.time_step,
            "sides": list(held.sides),
            "changes": held.changes,
            "resized_at": held.resized_at,
            "texts": held.texts,
            "clock_largest": clock.largest,
            "clock_origin": list(clock.origin),
            "clock_together": clock.together,
            "frames_seen": table.seen,
            "whole_from": table.whole_from,
            "first_ms": table.first_ms,
            "last_ms": table.last_ms,
            "lost": list(table.lost or ()),
            "gap_reasons": table.gap_reasons(),
        }

    def step(self) -> bool:
        """Copy the next layer. Returns whether it was the last one, and all copies are complete."""
        layer, tensors = self._copied, self._tensors
        for name, cached in (("keys", self._slab.keys), ("values", self._slab.values)):
            copied = tensors[name]
            self._copier.copy(cached[layer, :, : copied.shape[2]], copied[layer])
        self._copied += 1
        if self._copied < self._slab.shape.layers:
            return False
        self._copier.finish()
        return True

    def add(self, name: str, tensor: Tensor) -> None:
        """Add a copy of one more tensor to the state."""
        self._tensors[name] = self._copy(tensor)

    def state(self) -> MemoryState:
        """The whole copy. Layers that no step has copied yet are copied now."""
        while self._copied < self._slab.shape.layers:
            self.step()
        return MemoryState(self._header, self._tensors)

    def _copy(self, tensor: Tensor) -> Tensor:
        copied = _like(tensor)
        self._copier.copy(tensor.detach(), copied)
        return copied


def _numbers(table: FrameTable) -> Tensor:
    taken = table.taken()
    rows = [
        (
            number,
            stamp.capture_ms,
            NO_MEDIA if stamp.media_ms is None else stamp.media_ms,
            taken[number],
        )
        for number, stamp in table.stamps()
    ]
    return torch.tensor(rows, dtype=torch.int64).reshape(-1, 4)


def _stamps(table: FrameTable) -> Tensor:
    rows = [
        (number, stamp.capture_ms, NO_MEDIA if stamp.media_ms is None else stamp.media_ms)
        for number, stamp in table.beside()
    ]
    return torch.tensor(rows, dtype=torch.int64).reshape(-1, 3)


def _like(tensor: Tensor) -> Tensor:
    return torch.empty(tensor.shape, dtype=tensor.dtype)
