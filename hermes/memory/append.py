"""Tokens on their way into a memory: a chunk of frames, or the prefix."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hermes.errors import InvalidInput
from hermes.memory.attention import folded_mask, grouped_attention, tail_mask
from hermes.memory.coverage import FrameStamp
from hermes.memory.positions import FrameLayout
from hermes.memory.rope import Rotary, rotate
from hermes.memory.slab import Slab


class AppendRow:
    """Tokens on their way into a memory: sees all of it, and itself causally."""

    def __init__(
        self,
        rotary: Rotary,
        slab: Slab,
        positions: Tensor,
        stamps: tuple[FrameStamp, ...],
        layout: FrameLayout | None,
    ) -> None:
        self.slab = slab
        self.positions = positions
        self.stamps = stamps
        self.layout = layout
        self.after_gap = False
        self._tokens = positions.shape[1]
        self._start = slab.length
        self._rotary = rotary
        self._tables = rotary.tables(positions)
        self._mask: Tensor | None = None

    @property
    def tokens(self) -> int:
        """How many tokens of the pass are this row's."""
        return self._tokens

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """Write this layer's keys and values behind the memory, and attend to all of it."""
        end = self._start + self._tokens
        self.slab.keys[layer, :, self._start : end] = key
        self.slab.values[layer, :, self._start : end] = value
        keys = self.slab.rotated_keys(layer, end, self._rotary)
        values = self.slab.values[layer, :, :end]
        if self._mask is None and (mask := tail_mask(self._tokens, end, keys.device)) is not None:
            self._mask = folded_mask(mask, query.shape[0] // key.shape[0], query.dtype)
        return grouped_attention(rotate(query, self._tables), keys, values, self._mask, scale)

    def check(self, hidden: Tensor | None, guidance: Sequence[Tensor]) -> None:
        """Raises `InvalidInput` if the pass made a number that is not finite.

        Looked at are the keys and values that were written, `hidden` (what the
        pass gave for this row) and the `guidance` prompts' attention. Once in
        memory, one such number would spoil every answer.
        """
        what = "prefix" if self.layout is None else "frames"
        new = slice(self._start, self._start + self._tokens)
        parts = [(what, self.slab.keys[:, :, new]), (what, self.slab.values[:, :, new])]
        if hidden is not None:
            parts.append((what, hidden))
        parts += [("attention", noted) for noted in guidance]
        # One wait for the device, whatever there is to look at.
        finite = torch.stack([torch.isfinite(part).all() for _, part in parts]).tolist()
        for (field, _), good in zip(parts, finite, strict=True):
            if not good:
                raise InvalidInput(
                    field,
                    "holds values that are not finite, in a guidance prompt"
                    if field == "attention"
                    else "became values that are not finite: the weights are damaged, or their"
                    " dtype is too narrow",
                )
