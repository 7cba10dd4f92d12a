"""Tokens on their way into a memory: frames, or the prefix."""

from __future__ import annotations

import torch
from torch import Tensor

from hermes.memory.attention import (
    AppendingRow,
    causal_attention,
    folded_mask,
    grouped_attention,
    tail_mask,
)
from hermes.memory.coverage import FrameStamp
from hermes.memory.frame_layout import FrameLayout
from hermes.memory.rope import Rotary
from hermes.memory.slab import Slab


class AppendRow(AppendingRow):
    """New tokens of a memory in one pass. They attend to all of it, and causally to each other.

    `layouts`: those of the frames; none for the prefix. `start`: the index of the
    row's first token in the slab. `guidance`: the attention that each guidance
    prompt of the same pass gives the video tokens.
    """

    def __init__(
        self,
        rotary: Rotary,
        slab: Slab,
        positions: Tensor,
        stamps: tuple[FrameStamp, ...],
        layouts: tuple[FrameLayout, ...] = (),
        *,
        after_gap: bool = False,
    ) -> None:
        self.slab = slab
        self.positions = positions
        self.stamps = stamps
        self.layouts = layouts
        self.after_gap = after_gap
        self.start = slab.length
        self.guidance: tuple[Tensor, ...] = ()
        self._tokens = positions.shape[1]
        self._rotary = rotary
        self.tables = rotary.tables(positions)
        self._mask: Tensor | None = None

    @property
    def tokens(self) -> int:
        """How many tokens of the pass belong to this row."""
        return self._tokens

    def attend_rotated(
        self, layer: int, rotated: Tensor, key: Tensor, value: Tensor, scale: float
    ) -> Tensor:
        """Append this layer's keys and values to the memory, and attend to all of it."""
        end = self.start + self._tokens
        self.slab.store(layer, self.start, key, value)
        keys = self.slab.rotated_keys(layer, end, self._rotary, self.tables)
        values = self.slab.wide_values(layer, end)
        if keys.device.type == "cuda":
            return causal_attention(rotated, keys, values, scale)
        if self._mask is None and (mask := tail_mask(self._tokens, end, keys.device)) is not None:
            self._mask = folded_mask(mask, rotated.shape[0] // key.shape[0], rotated.dtype)
        return grouped_attention(rotated, keys, values, self._mask, scale)

    def finite(self, hidden: Tensor | None = None) -> Tensor:
        """[2] bool on the device, for `StreamMemory.commit`.

        The first is whether the keys and values that were written are finite,
        and `hidden`, what the pass returned for this row, if it is given; the
        second, whether the attention of the guidance prompts is. A number that
        is not finite would spoil every later answer.

        Reading it waits for the device: read those of many rows at once.
        """
        new = slice(self.start, self.start + self._tokens)
        wide = self.slab.shape.dtype  # norms are not taken of 8 bits
        parts = [part[:, :, new].to(wide) for part in (self.slab.keys, self.slab.values)]
        parts += [] if hidden is None else [hidden]
        written = len(parts)
        # One pass over each part: the largest magnitude of what is not all finite is not, either.
        largest = [torch.linalg.vector_norm(part, torch.inf) for part in (*parts, *self.guidance)]
        found = torch.stack([one.to(torch.float32) for one in largest]) < torch.inf
        return torch.stack([found[:written].all(), found[written:].all()])
