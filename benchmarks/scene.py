"""A model whose cameras show what a benchmark wants: an exact share of each picture is new."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from hermes.memory.changes import ChangeConfig
from hermes.vlm import Between, VideoModel
from hermes.vlm.preprocess import listed

EXACTLY_NEW = ChangeConfig(around=0)
"""Takes in what is new and nothing beside it, so that a share of a picture is that share."""


class Scene:
    """`model`, with chosen features in the place of what its tower makes of pictures.

    Random weights make much the same of any picture, so a picture in which a share
    of the cells was repainted would not do. All cameras show the same.
    """

    def __init__(self, model: VideoModel) -> None:
        self._model = model
        self.tower = False
        """Whether the tower reads the pictures nevertheless, for the time that it takes."""
        self._random = torch.Generator().manual_seed(0)
        self._moving: float | None = None
        self.cut()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def cut(self) -> None:
        """Show another picture from now on, of which each place is new."""
        self._moving = None
        self._picture = self._shown = self._features()

    def repaint(self, share: float) -> None:
        """Show the last picture of `cut` from now on, this share of its places new."""
        self._moving = None
        self._shown = self._repainted(self._picture, share)

    def advance(self, share: float) -> None:
        """Show the picture that is shown now, this share of its places new."""
        self._moving = None
        self._shown = self._repainted(self._shown, share)

    def move(self, share: float) -> None:
        """Show one picture after another to frames that are encoded together, this share of each
        new. The first follows the last picture of `cut`, whenever frames are encoded.
        """
        self._moving = share

    def _repainted(self, picture: Tensor, share: float) -> Tensor:
        repainted, places = picture.clone(), len(picture)
        changed = torch.randperm(places, generator=self._random)[: round(share * places)]
        repainted[changed] = self._features()[changed]
        return repainted

    def _features(self) -> Tensor:
        shape = self._model.shape
        size = self._model.layout.tokens, self._model.prefix().shape[-1]
        features = 0.02 * torch.randn(size, generator=self._random)
        return features.to(shape.device, shape.dtype)

    def encode(
        self, pictures: Sequence[Tensor] | Tensor, between: Between | None = None
    ) -> list[Tensor]:
        """What is shown now, for each frame."""
        if self.tower:
            self._model.encode(pictures, between)
        together = self._model.pictures_per_frame
        frames = len(listed(pictures, together)) // together
        if self._moving is None:
            return [self._shown] * frames
        found = [self._picture]
        for _ in range(frames):
            found.append(self._repainted(found[-1], self._moving))
        return found[1:]
