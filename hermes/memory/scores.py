"""Scores: what each token is worth, layer by layer (HERMES, arXiv 2601.14724, section 3).

Shapes: n video tokens in stream order, L layers. All scores are fp32.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hermes.memory.bands import Bands
from hermes.memory.config import HermesConfig, Normalise, Weights

SENSORY_DECAY = 20.0  # k of R in the sensory band; the paper gives no value
WORKING_DECAY_LAST = 0.5  # what k has fallen to at the end of the working band
SMOOTHING_SHARE = {"sensory": 0.1, "working": 0.3, "long_term": 0.4}  # g, by band

EPSILON = 1e-6  # what the authors' code adds to the span of min-max

IDENTITY_STRIDE = 1 << 31
"""One past the largest patch number, so that (frame, patch) fits into one number."""


def recency(count: int, decay: float | Tensor, device: torch.device) -> Tensor:
    """R = exp(-k d), d = (T - 1 - i) / (T - 1): [count], 1 for the newest.

    `decay`: k; a column [layers, 1] of them makes a row for each.
    """
    if count == 1:
        return torch.ones(1, device=device)
    age = torch.arange(count - 1, -1, -1, dtype=torch.float32, device=device) / (count - 1)
    return torch.exp(-decay * age)


def column(numbers: Sequence[float], device: torch.device) -> Tensor:
    """[n, 1] fp32 on the device, which nothing waits for."""
    return torch.tensor(numbers, dtype=torch.float32).unsqueeze(1).to(device, non_blocking=True)


def normalised(values: Tensor, how: Normalise) -> Tensor:
    """[..., n] scaled to 0..1 along the last axis.

    `rank`: by order alone; of equal values, the newer is higher. A constant row
    becomes zeros under `minmax` and `minmax_epsilon`.
    """
    if how != "rank":
        low, high = values.amin(-1, keepdim=True), values.amax(-1, keepdim=True)
        span = high - low
        if how == "minmax_epsilon":
            return (values - low) / (span + EPSILON)
        return torch.where(span > 0, (values - low) / span.clamp_min(1e-38), 0.0)
    order = torch.argsort(values, dim=-1, stable=True)
    count = values.shape[-1]
    ranks = torch.arange(count, dtype=torch.float32, device=values.device).expand_as(order)
    placed = torch.empty_like(values, dtype=torch.float32).scatter_(-1, order, ranks.contiguous())
    return placed / max(1, count - 1)


def progress(layer: int, bands: Bands) -> float:
    """(l - l_short) / (l_long - l_short): 0 for the first layer of the working band."""
    first, deep = bands.working.start, bands.working.stop
    return (layer - first) / max(1, deep - first)


def recency_weight(layer: int, bands: Bands, weights: Weights) -> float:
    """w: the share of recency in a layer of the working band."""
    done = progress(layer, bands)
    return 0.75 - 0.6 * done if weights == "paper" else 1.0 - 0.9 * done


def working_decay(layer: int, bands: Bands) -> float:
    """k of R in a layer of the working band: falls from 20 towards 0.5 (the authors' code)."""
    return SENSORY_DECAY + (WORKING_DECAY_LAST - SENSORY_DECAY) * progress(layer, bands)


def layer_scores(attention: Tensor, bands: Bands, config: HermesConfig) -> Tensor:
    """Scores [L, n] before smoothing.

    `attention`: [2, L, n], the weight that the global and the mixed guidance
    prompt give each token. Recency alone in the sensory band, the global prompt's
    attention alone in the long-term band, a blend of the mixed prompt's and
    recency between them. Recency has no outliers and is always scaled by
    min-max: ranks would undo its decay.
    """
    _, layers, count = attention.shape
    device = attention.device
    scores = torch.empty((layers, count), dtype=torch.float32, device=device)
    how = config.normalise
    scale: Normalise = "minmax" if how == "rank" else how
    sensory, working, deep = (slice(band.start, band.stop) for _, band in bands.items())
    if bands.sensory:
        scores[sensory] = normalised(recency(count, SENSORY_DECAY, device), scale)
    if bands.working:
        weights = [recency_weight(layer, bands, config.weights) for layer in bands.working]
        decays = [working_decay(layer, bands) for layer in bands.working]
        recent = normalised(recency(count, column(decays, device), device), scale)
        attended = normalised(attention[1, working], how)
        rest = column([1 - weight for weight in weights], device)
        scores[working] = rest * attended + column(weights, device) * recent
    if bands.long_term:
        scores[deep] = normalised(attention[0, deep], how)
    return scores


def smooth(
    scores: Tensor, frames: Tensor, patches: Tensor, bands: Bands, config: HermesConfig
) -> Tensor:
    """S~(l) = (1 - g) S(l) + g S~(l+1), from the deepest layer up: [L, n].

    By `index`, a score takes over from the same index of the next deeper layer;
    by `identity`, from the same (frame, patch), and a token that the deeper
    layer does not hold keeps its own score.
    """
    if config.smoothing == "off":
        return scores
    shares = [SMOOTHING_SHARE[name] for name, members in bands.items() for _ in members]
    if config.smoothing == "index":
        return smooth_by_index(scores, shares)
    return smooth_by_identity(scores, identities(frames, patches), shares)


def smooth_by_index(scores: Tensor, shares: Sequence[float]) -> Tensor:
    """The same index, layer by layer. `shares`: g of each layer."""
    smoothed = list(scores.unbind())
    for layer in range(len(smoothed) - 2, -1, -1):
        deeper = smoothed[layer + 1]
        smoothed[layer] = (1 - shares[layer]) * smoothed[layer] + shares[layer] * deeper
    return torch.stack(smoothed)


def smooth_by_identity(scores: Tensor, tokens: Tensor, shares: Sequence[float]) -> Tensor:
    """The same token, whatever its index. `tokens`: [L, n], as `identities` numbers them."""
    have, order = tokens[1:].sort(dim=-1)
    at = torch.searchsorted(have, tokens[:-1]).clamp_max(tokens.shape[-1] - 1)
    known = have.gather(-1, at) == tokens[:-1]
    source = order.gather(-1, at)
    own = column([1 - share for share in shares], scores.device) * scores
    smoothed = list(scores.unbind())
    for layer in range(len(smoothed) - 2, -1, -1):  # each needs the one below it
        deeper = smoothed[layer + 1].index_select(0, source[layer])
        mixed = own[layer] + shares[layer] * deeper
        smoothed[layer] = torch.where(known[layer], mixed, scores[layer])
    return torch.stack(smoothed)


def identities(frames: Tensor, patches: Tensor) -> Tensor:
    """[...] int64: one number for each (frame, patch)."""
    return frames.to(torch.int64) * IDENTITY_STRIDE + patches.to(torch.int64)


def top(scores: Tensor, count: int) -> Tensor:
    """Indices of the `count` highest of [..., n], ascending. Of equal scores the newer one wins."""
    newest_first = torch.argsort(scores.flip(-1), dim=-1, descending=True, stable=True)
    chosen = scores.shape[-1] - 1 - newest_first[..., :count]
    return chosen.sort(dim=-1).values
