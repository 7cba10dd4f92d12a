"""Agreement: layers that hold the same token share its score.

What a layer reads from a token depends on what earlier layers made of it, so a
token that only some layers keep is worth little. This is not in the HERMES
paper, whose smoothing passes a share of each score to the next layer only.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hermes.memory.bands import Bands
from hermes.memory.positions import numbered
from hermes.memory.scores import identities
from hermes.memory.summary import SUMMARY_PATCH


def agreed(scores: Tensor, frames: Tensor, patches: Tensor, bands: Bands, share: float) -> Tensor:
    """A = (1 - share) S + share M: [L, n]. M is a token's mean over the layers that hold it.

    The sensory band, which goes by recency alone, keeps its scores; so do
    summaries, which differ from layer to layer.
    """
    first = len(bands.sensory)
    own, tokens = scores[first:], identities(frames, patches)[first:]
    group = numbered(tokens.flatten()).view_as(tokens)
    # As many groups as there could be: how many there are would be asked of the device.
    held = torch.zeros(tokens.numel(), dtype=torch.int64, device=scores.device)
    held.scatter_add_(0, group.flatten(), torch.ones_like(held))
    sums = scores.new_zeros(tokens.numel())
    for layer in range(len(own)):  # one at a time, so that sums always have the same order
        sums.index_add_(0, group[layer], own[layer])
    mixed = (1 - share) * own + share * (sums / held)[group]
    real = patches[first:] != SUMMARY_PATCH
    return torch.cat((scores[:first], torch.where(real, mixed, own)))
