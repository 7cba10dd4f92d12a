"""A frame as the decoder reads it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from hermes.memory import FrameLayout


@dataclass(frozen=True, slots=True, eq=False)
class EncodedFrame:
    """A frame's tokens: `features` [tokens, width], in the order of its `layout`."""

    features: Tensor
    layout: FrameLayout
