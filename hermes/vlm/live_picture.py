"""A camera's picture as it is now: what of each frame is new, and the newest frames in full."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hermes.errors import InvalidInput, SnapshotCorrupt
from hermes.memory import FrameStamp
from hermes.memory.changes import NOISE_FRAMES, Changes, Look, Seen
from hermes.vlm.encoded import EncodedFrame

MOST_PRESENT_FRAMES = 4

_PREFIX = "picture_"
"""What the names of the picture's tensors in a state begin with."""

_MOST_MS = 1 << 62


@dataclass(frozen=True, slots=True)
class Glance:
    """A look at frames that come next. Nothing has waited for the device yet.

    `counts`: [frames] int64 on the device, how many places of each are to be taken in.
    """

    frames: tuple[EncodedFrame, ...]
    looks: tuple[Look, ...]
    counts: Tensor
    shares: Tensor


class LivePicture:
    """What was last taken in of each place of one camera's picture. Not thread-safe."""

    def __init__(self, changes: Changes, present_frames: int, *, dense: bool) -> None:
        """`present_frames`: how many of the newest frames are kept in full, for questions.
        `dense`: tokens that are taken in have positions that follow one another.
        """
        if not 0 <= present_frames <= MOST_PRESENT_FRAMES:
            raise InvalidInput("present_frames", f"must be between 0 and {MOST_PRESENT_FRAMES}")
        self._changes = changes
        self._dense = dense
        self._seen: Seen | None = None
        self._newest: deque[EncodedFrame] = deque(maxlen=present_frames)
        self._newest_is_whole = True

    @property
    def present(self) -> list[EncodedFrame]:
        """The newest frames in full, oldest first. Empty if memory has just taken in all of them."""
        return [] if self._newest_is_whole else list(self._newest)

    def glance(self, frames: Sequence[EncodedFrame], stamps: Sequence[FrameStamp]) -> Glance:
        """Look at frames that come next, in order. The picture stays as it is until `took`."""
        seen, looks = self._seen, []
        for frame, stamp in zip(frames, stamps, strict=True):
            look = self._changes.look(seen, frame.features[frame.layout.picture], stamp.capture_ms)
            seen = look.seen
            looks.append(look)
        return Glance(
            tuple(frames),
            tuple(looks),
            torch.stack([look.taken.sum() for look in looks]),
            torch.stack([look.share for look in looks]),
        )

    def changed(self, glance: Glance, counts: Sequence[int]) -> list[EncodedFrame]:
        """The frames without what has not changed. `counts`: `glance.counts`, read."""
        return [
            self._part(frame, look.taken, count)
            for frame, look, count in zip(glance.frames, glance.looks, counts, strict=True)
        ]

    def _part(self, frame: EncodedFrame, taken: Tensor, count: int) -> EncodedFrame:
        layout = frame.layout
        picture = layout.picture
        if count == len(taken):
            return frame
        every = torch.ones(layout.tokens, dtype=torch.bool, device=taken.device)
        every[picture] = taken  # the frame's text says when it was: it stays
        # The first so many of a stable order: finding them asks nothing of the device.
        tokens = torch.argsort(~every, stable=True)[: layout.tokens - len(taken) + count]
        return EncodedFrame(frame.features[tokens], layout.part(tokens, dense=self._dense))

    def took(self, glance: Glance, counts: Sequence[int]) -> None:
        """The frames are in memory."""
        self._seen = glance.looks[-1].seen
        self._newest.extend(glance.frames)
        self._newest_is_whole = counts[-1] == len(glance.looks[-1].taken)

    # -- copying and restoring -----------------------------------------------

    def tensors(self) -> dict[str, Tensor]:
        """What a snapshot keeps of it, on the device. Nothing before the first frame."""
        if self._seen is None:
            return {}
        seen = self._seen
        found = {
            "reference": seen.reference,
            "newest": seen.newest,
            "noise": seen.noise,
            "taken_ms": seen.taken_ms,
        }
        for number, frame in enumerate(self._newest):
            found |= {
                f"features_{number}": frame.features,
                f"offsets_{number}": frame.layout.offsets,
                f"patches_{number}": frame.layout.patches,
            }
        return {f"{_PREFIX}{name}": tensor for name, tensor in found.items()}

    def header(self) -> dict[str, Any]:
        """The rest of what a snapshot keeps."""
        return {
            "steps": 0 if self._seen is None else self._seen.steps,
            "whole": self._newest_is_whole,
            "frames": [
                {
                    "advance": list(frame.layout.advance),
                    "extent": list(frame.layout.extent),
                    "sides": list(frame.layout.sides),
                    "lead": frame.layout.lead,
                    "text_before": frame.layout.text_before,
                }
                for frame in self._newest
            ],
        }
