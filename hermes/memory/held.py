"""What a memory holds at one moment, as one object."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from hermes.memory.coverage import FrameTable, held_frames
from hermes.memory.positions import Clock, dense_ranks
from hermes.memory.slab import Slab


@dataclass(slots=True, eq=False)
class Held:
    """Everything that a memory holds: a snapshot copies it, and a restore replaces it.

    `slab`: the tokens. `clock`: the positions given out so far. `table`: the
    frames of which tokens are held. `prefix_length`: tokens of the system
    prefix. `frame_tokens`: tokens of a whole frame; 0 until the first is in
    memory. `time_step`: how far a frame moves the first axis of the clock.
    `guidance`: [layers, video tokens] fp32 for each guidance prompt: the
    attention that the next compression goes by. Empty if it has none.
    """

    slab: Slab
    clock: Clock
    table: FrameTable
    prefix_length: int
    frame_tokens: int = 0
    time_step: int = 1
    guidance: tuple[Tensor, ...] = ()

    @property
    def video(self) -> slice:
        """The indices of the video tokens in the slab."""
        return slice(self.prefix_length, self.slab.length)

    @property
    def video_tokens(self) -> int:
        """How many video tokens every layer holds."""
        return max(0, self.slab.length - self.prefix_length)

    def reindex(self) -> None:
        """Compact the video tokens' positions to a dense range after the prefix."""
        slab, video, together = self.slab, self.video, self.clock.together
        for layer in range(slab.shape.layers):
            slab.positions[layer, :, video] = dense_ranks(
                slab.positions[layer, :, video], self.prefix_length, together=together
            )
        slab.moved()
        self.clock.compacted(slab.positions[:, :, video], self.prefix_length, self.time_step)

    def forget_lost_frames(self) -> None:
        """Forget the frames that have no token left in any layer."""
        frames, patches = self.slab.frames[:, self.video], self.slab.patches[:, self.video]
        self.table.retain(*held_frames(frames, patches, self.frame_tokens, self.table.seen))
