"""A camera's picture as it is now: what of each frame is new, and the newest frames in full."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hermes.errors import InvalidInput
from hermes.memory import FrameStamp
from hermes.memory.changes import Changes, Look, Seen
from hermes.vlm.encoded import EncodedFrame

MOST_PRESENT_FRAMES = 4

_PREFIX = "picture_"
"""What the names of the picture's tensors in a state begin with."""

_MOST_MS = 1 << 62


@dataclass(frozen=True, slots=True)
class Glance:
    """A look at frames that come next. Nothing has waited for the device yet.

    `numbers`: [frames, 2] fp32 on the device: how many places of each frame are to be
    taken in, and the share that changed.
    """

    frames: tuple[EncodedFrame, ...]
    looks: tuple[Look, ...]
    numbers: Tensor


@dataclass(frozen=True, slots=True)
class Changed:
    """Frames without what has not changed, for `LivePicture.took` once they are in memory.

    `unchanged`: how many tokens are left out, over all of them. `shares`: of each
    frame, the share of its places that changed.
    """

    glance: Glance
    frames: list[EncodedFrame]
    unchanged: int
    shares: list[float]


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
        self._all_taken = True

    @property
    def present(self) -> list[EncodedFrame]:
        """The newest frames in full, oldest first; none if memory has just taken the newest in
        whole.
        """
        return [] if self._all_taken else list(self._newest)

    def glance(self, frames: Sequence[EncodedFrame], stamps: Sequence[FrameStamp]) -> Glance:
        """Look at frames that come next, in order. The picture stays as it is until `took`."""
        seen, looks = self._seen, []
        for frame, stamp in zip(frames, stamps, strict=True):
            look = self._changes.look(seen, frame.features[frame.layout.picture], stamp.capture_ms)
            seen = look.seen
            looks.append(look)
        counts = torch.stack([look.taken.sum() for look in looks]).to(torch.float32)
        shares = torch.stack([look.share for look in looks])
        return Glance(tuple(frames), tuple(looks), torch.stack((counts, shares), dim=1))

    def changed(self, glance: Glance, numbers: Sequence[Sequence[float]]) -> Changed:
        """The frames without what has not changed. `numbers`: the glance's, on the host."""
        frames = [
            self._part(frame, look.taken, int(count))
            for frame, look, (count, *_) in zip(glance.frames, glance.looks, numbers, strict=True)
        ]
        whole = sum(frame.layout.tokens for frame in glance.frames)
        unchanged = whole - sum(frame.layout.tokens for frame in frames)
        return Changed(glance, frames, unchanged, [share for _, share in numbers])

    def _part(self, frame: EncodedFrame, taken: Tensor, count: int) -> EncodedFrame:
        layout = frame.layout
        if count == len(taken):
            return frame
        every = torch.ones(layout.tokens, dtype=torch.bool, device=taken.device)
        every[layout.picture] = taken  # the frame's text stays: it says when it was
        # The first so many of a stable order: finding them asks nothing of the device.
        tokens = torch.argsort(~every, stable=True)[: layout.tokens - len(taken) + count]
        return EncodedFrame(frame.features[tokens], layout.part(tokens, dense=self._dense))

    def took(self, changed: Changed) -> None:
        """The frames are in memory."""
        glance = changed.glance
        self._seen = glance.looks[-1].seen
        self._newest.extend(glance.frames)
        self._all_taken = changed.frames[-1] is glance.frames[-1]

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
            "all_taken": self._all_taken,
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
