"""Frames of one memory on their way into it, in order."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from hermes.vlm.encoded import EncodedFrame, FramePictures
from hermes.vlm.frame_step import FrameStep
from hermes.vlm.glance import Coming, Glance
from hermes.vlm.live_picture import Changed
from hermes.vlm.video_memory import VideoMemory


@dataclass(slots=True, eq=False)
class PendingFrame:
    """A frame that is not in memory yet.

    `arrival`: the number of the arrival that completed it. `features`: what the tower made of
    its pictures; None until it has read them.
    """

    arrival: int
    pictures: FramePictures
    features: Tensor | None = None


class FrameRun:
    """Frames that come one after another into one memory. Only the first can be after a gap.

    Which tokens of a frame are taken in depends on the frames before it, but not on what the
    decoder makes of them. So all frames are looked at first, and the decoder then
    takes as many of them in one step as come before the next compression.
    """

    def __init__(self, memory: VideoMemory) -> None:
        self.memory = memory
        self.pending: list[PendingFrame] = []
        self._frames: list[EncodedFrame] = []
        self._changed: Changed | None = None

    def add(self, arrival: int, pictures: FramePictures) -> None:
        """Add a frame at the end."""
        self.pending.append(PendingFrame(arrival, pictures))

    def drop(self, count: int) -> None:
        """Give up the first frames. What was known of the others no longer holds."""
        self.only(self.pending[count:])

    def only(self, frames: list[PendingFrame]) -> None:
        """Go on with these frames alone."""
        self.pending = frames
        self._frames, self._changed = [], None

    def coming(self) -> Coming | None:
        """The frames, if they must be looked at and were not. Call `looked` next."""
        if self._changed is not None:
            return None
        pictures = [frame.pictures for frame in self.pending]
        if not self._frames:
            features = [frame.features for frame in self.pending if frame.features is not None]
            self._frames = self.memory.encoded(features, pictures)
        return self.memory.coming(self._frames, [own.stamp for own in pictures])

    def looked(self, glance: Glance, numbers: list[list[float]]) -> None:
        """`numbers`: those of the glance, on the host."""
        self._changed = self.memory.changed(glance, numbers)

    def begin(self, most: int) -> FrameStep:
        """Begin a step with the first frames, at most so many."""
        stamps = [frame.pictures.stamp for frame in self.pending[:most]]
        changed = None if self._changed is None else self._changed.first(most)
        return self.memory.begin(self._frames[:most], stamps, changed)

    def took(self, count: int) -> None:
        """The first frames are in memory."""
        del self.pending[:count], self._frames[:count]
        self._changed = None if self._changed is None else self._changed.after(count)
