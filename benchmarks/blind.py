"""A model of real size without its vision tower: frames are random features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hermes.vlm import Between, VideoModel


@dataclass(eq=False)
class Blind:
    """`model` without its tower."""

    model: VideoModel

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def encode(
        self, pictures: Sequence[Tensor] | Tensor, between: Between | None = None
    ) -> list[Tensor]:
        """Random features of the size that embeddings have."""
        shape, tokens = self.model.shape, self.model.layout.tokens
        width = self.model.prefix().shape[-1]
        features = torch.randn((len(pictures), tokens, width), device=shape.device) * 0.02
        return list(features.to(shape.dtype))
