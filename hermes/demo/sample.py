"""A video to try the library with: rendered here, with nothing to download."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hermes.demo.drawing import play
from hermes.demo.scenes import TRAINED, make_scene

FPS = 2.0


def sample_video(seed: int = 1, seconds: float = 60.0) -> tuple[Tensor, list[int]]:
    """A little world as the demo model knows them: coloured shapes come and go.

    Returns pictures [n, 3, 224, 224] uint8, RGB, two a second, and their times
    in ms. The same seed gives the same world.
    """
    scene = make_scene("sample", seed, seconds, actors=5, looks=TRAINED)
    pictures = np.stack(list(play(scene, FPS)))
    times_ms = [round(1000 * number / FPS) for number in range(len(pictures))]
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous(), times_ms
