"""What a memory holds at one moment, as one object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hermes.memory.coverage import FrameTable
from hermes.memory.frame_layout import CHANGES_APART, PLACES, FrameLayout
from hermes.memory.positions import Clock, dense_ranks, joined
from hermes.memory.slab import Slab


@dataclass(slots=True, eq=False)
class Held:
    """Everything that a memory holds: a snapshot copies it, and a restore replaces it.

    `slab`: the tokens. `clock`: the positions given out so far. `table`: the
    frames of which tokens are held. `prefix_length`: tokens of the system
    prefix. `frame_tokens`: tokens of the largest frame so far; 0 until the first
    is in memory. `time_step`: how far a frame moves the first axis of the clock.
    `sides`: the picture's rows and columns in the newest frame; `changes`: how
    often they have changed; `resized_at`: the first frame after the last change.
    `texts`: whether frames have texts of their own.
    `guidance`: [layers, video tokens] fp32 for each guidance prompt: the
    attention that the next compression goes by. Empty if it has none.
    """

    slab: Slab
    clock: Clock
    table: FrameTable
    prefix_length: int
    frame_tokens: int = 0
    time_step: int = 1
    sides: tuple[int, ...] = ()
    changes: int = 0
    resized_at: int = 0
    texts: bool = False
    guidance: tuple[Tensor, ...] = ()

    @property
    def video(self) -> slice:
        """The indices of the video tokens in the slab."""
        return slice(self.prefix_length, self.slab.length)

    @property
    def video_tokens(self) -> int:
        """How many video tokens every layer holds."""
        return max(0, self.slab.length - self.prefix_length)

    def numbered(self, layouts: Sequence[FrameLayout]) -> tuple[Tensor, Tensor]:
        """Frame and patch numbers of the tokens of frames that come next, each [tokens].

        A patch number is a place, and how often the picture's sides had changed
        before: after a change, no place is the same part of the picture.
        """
        device, first = self.slab.shape.device, self.table.seen
        sides, changes = self.sides, self.changes
        counts = torch.tensor([layout.tokens for layout in layouts])
        offsets: list[int] = []
        for layout in layouts:
            changes += bool(sides) and layout.sides != sides
            sides = layout.sides
            offsets.append(changes % CHANGES_APART * PLACES)
        # On the host, so that the device need not wait for sizes.
        numbers = torch.arange(first, first + len(layouts)).repeat_interleave(counts)
        patches = joined([layout.patches for layout in layouts])
        if any(offsets):
            added = torch.tensor(offsets, dtype=torch.int32).repeat_interleave(counts)
            patches = patches + added.to(device, non_blocking=True)
        return numbers.to(device, non_blocking=True), patches

    def took(self, layouts: Sequence[FrameLayout]) -> None:
        """Move on: frames of these layouts are in memory."""
        self.clock.took_frames(layouts)
        for number, layout in enumerate(layouts, self.table.seen):
            if self.sides and layout.sides != self.sides:
                self.changes += 1
                self.resized_at = number
            self.sides = layout.sides
            self.texts = self.texts or layout.has_text
            self.frame_tokens = max(self.frame_tokens, layout.tokens)
        self.time_step = layouts[-1].advance[0]

    @property
    def first_patch(self) -> int:
        """The patch number of the first place of pictures of the present size."""
        return self.changes % CHANGES_APART * PLACES

    def reindex(self) -> None:
        """Compact the video tokens' positions to a dense range after the prefix."""
        slab, video, together = self.slab, self.video, self.clock.together
        slab.positions[:, :, video] = dense_ranks(
            slab.positions[:, :, video], self.prefix_length, together=together
        )
        slab.moved()
        self.clock.compacted(slab.positions[:, :, video], self.prefix_length, self.time_step)

    def forget_lost_frames(self, whole: Tensor, *, ends: bool) -> None:
        """Forget the frames that have no token left in any layer.

        `whole`: from `evict`. `ends`: whether the stamps of frames that took held tokens'
        places in anew are kept.
        """
        # Each token is of a frame that the table knows, so sizes are known without a wait.
        table, device = self.table, self.slab.shape.device
        known = sorted({number for number, _ in (*table.numbered, *table.beside())})
        many = len(known)
        numbers = torch.tensor(known, dtype=torch.int64).to(device, non_blocking=True)
        zeros = torch.zeros(many + 1, dtype=torch.int64, device=device)
        of = _places(numbers, self.slab.frames[:, self.video])
        counts = zeros.scatter_add(0, of, torch.ones_like(of))
        anew = zeros
        if ends:
            anew = zeros.index_fill(0, _places(numbers, self.slab.until[:, self.video]), 1)
        *found, first = torch.cat((counts, anew, whole[None])).tolist()
        left = {number: held for number, held in zip(known, found[:many], strict=True) if held}
        begun = [
            number
            for number, seen in zip(known, found[many + 1 : 2 * many + 1], strict=True)
            if seen
        ]
        table.retain(left, first, left, begun)


def _places(known: Tensor, numbers: Tensor) -> Tensor:
    """Where each of `numbers` is in `known`, which is sorted; past its end if it is not there."""
    numbers = numbers.flatten()
    at = torch.searchsorted(known, numbers).clamp_max(len(known) - 1)
    return torch.where(known[at] == numbers, at, len(known))
