"""Frames of one memory on their way into it, in order."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from hermes.vlm.encoded import EncodedFrame, FramePictures
from hermes.vlm.frame_step import FrameStep
from hermes.vlm.live_picture import Changed, Glance
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
        self._glance: Glance | None = None

    def add(self, arrival: int, pictures: FramePictures) -> None:
        """Add a frame at the end."""
        self.pending.append(PendingFrame(arrival, pictures))

    def drop(self, count: int) -> None:
        """Give up the first frames. What was known of the others no longer holds."""
        self.only(self.pending[count:])

    def only(self, frames: list[PendingFrame]) -> None:
        """Go on with these frames alone."""
        self.pending = frames
        self._frames, self._glance, self._changed = [], None, None

    def glance(self) -> Glance | None:
        """Look at the frames, unless that was done. Call `read` with the glance's numbers next."""
        if not self._frames:
            features = [frame.features for frame in self.pending if frame.features is not None]
            pictures = [frame.pictures for frame in self.pending]
            frames = self.memory.encoded(features, pictures)
            self._glance = self.memory.glance(frames, [own.stamp for own in pictures])
            self._frames = frames
        return self._glance

    def read(self, numbers: list[list[float]]) -> None:
        """`numbers`: those of the glance, on the host."""
        if self._glance is not None:
            self._changed, self._glance = self.memory.changed(self._glance, numbers), None

    def begin(self, most: int) -> FrameStep:
        """Begin a step with the first frames, at most so many."""
        stamps = [frame.pictures.stamp for frame in self.pending[:most]]
        changed = None if self._changed is None else self._changed.first(most)
        return self.memory.begin(self._frames[:most], stamps, changed)

    def took(self, count: int) -> None:
        """The first frames are in memory."""
        del self.pending[:count], self._frames[:count]
        self._changed = None if self._changed is None else self._changed.after(count)
