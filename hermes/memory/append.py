"""Tokens on their way into a memory: a chunk of frames, or the prefix."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hermes.errors import InvalidInput
from hermes.memory.attention import causal_attention, folded_mask, grouped_attention, tail_mask
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
        if keys.device.type == "cuda":
            return causal_attention(rotate(query, self._tables), keys, values, scale)
        if self._mask is None and (mask := tail_mask(self._tokens, end, keys.device)) is not None:
            self._mask = folded_mask(mask, query.shape[0] // key.shape[0], query.dtype)
        return grouped_attention(rotate(query, self._tables), keys, values, self._mask, scale)

    def finite(self, hidden: Tensor | None, guidance: Sequence[Tensor]) -> Tensor:
        """[2] bool on the device: whether all that the pass made of this row is finite, and
        whether the `guidance` prompts' attention is.

        Looked at are the keys and values that were written and `hidden` (what
        the pass gave for this row). Once in memory, one number that is not
        finite would spoil every answer.
        """
        new = slice(self._start, self._start + self._tokens)
        made = [self.slab.keys[:, :, new], self.slab.values[:, :, new]]
        made += [] if hidden is None else [hidden]
        return torch.stack([_all_finite(made, self.positions), _all_finite(guidance, made[0])])

    def refuse(self, finite: Sequence[bool]) -> None:
        """Raises `InvalidInput` unless both of what `finite` found hold."""
        frames, attention = finite
        if not frames:
            raise InvalidInput(
                "prefix" if self.layout is None else "frames",
                "became values that are not finite: the weights are damaged, or their dtype is too"
                " narrow",
            )
        if not attention:
            raise InvalidInput(
                "attention", "holds values that are not finite, in a guidance prompt"
            )


def _all_finite(parts: Sequence[Tensor], like: Tensor) -> Tensor:
    """A scalar bool on the device, which nobody waits for here."""
    found = [torch.isfinite(part).all() for part in parts]
    return torch.stack(found).all() if found else like.new_ones((), dtype=torch.bool)
