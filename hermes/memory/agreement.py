"""What the layers agree on.

What one layer reads of a token rests on what the layers before it did with
it, so a token that stays in some layers only tells little. Nothing of this is
in the HERMES paper, whose smoothing hands a share of each score to the next
layer alone.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hermes.memory.bands import Bands
from hermes.memory.scores import identities
from hermes.memory.summary import SUMMARY_PATCH


def agreed(scores: Tensor, frames: Tensor, patches: Tensor, bands: Bands, share: float) -> Tensor:
    """A = (1 - share) S + share M: [L, n]. M is a token's mean over the layers that hold it.

    The sensory band, where recency is all, takes no part, and neither do
    summaries, which are other ones in each layer.
    """
    first = len(bands.sensory)
    own, tokens = scores[first:], identities(frames, patches)[first:]
    group = tokens.flatten().unique(return_inverse=True)[1].view_as(tokens)
    held = group.flatten().bincount()
    sums = scores.new_zeros(len(held))
    for layer in range(len(own)):  # one at a time: the order of a sum is then always the same
        sums.index_add_(0, group[layer], own[layer])
    mixed = (1 - share) * own + share * (sums / held)[group]
    real = patches[first:] != SUMMARY_PATCH
    return torch.cat((scores[:first], torch.where(real, mixed, own)))
