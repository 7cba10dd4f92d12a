"""A frame on its way from pictures to what the decoder reads."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from hermes.memory import FrameLayout, FrameStamp


@dataclass(frozen=True, slots=True, eq=False)
class FramePictures:
    """The pictures of one frame: [pictures_per_frame, 3, height, width] uint8.

    `stamp`: that of the newest. `times_ms`: when each was captured, or its time
    within a file.
    """

    pictures: Tensor
    stamp: FrameStamp
    times_ms: tuple[int, ...]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pictures.shape[-2], self.pictures.shape[-1]


@dataclass(frozen=True, slots=True)
class FrameTime:
    """When the pictures of a frame were captured, in ms since the stream's first picture.

    `before_ms`: the same of the frame before, of its first picture. None for the first frame.
    """

    pictures_ms: tuple[int, ...]
    before_ms: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class EncodedFrame:
    """A frame's tokens: `features` [tokens, width], in the order of its `layout`.

    `first_ms`: when its first picture was captured.
    """

    features: Tensor
    layout: FrameLayout
    first_ms: int = 0
