"""Drawing the tokens of one answer, by transformers' own temperature, top-k and top-p."""

from __future__ import annotations

import secrets
from typing import Any

import torch
from torch import Tensor

from hermes.sampling import MAX_SEED, Sampling

_LEAST = 1e-30  # a draw of 0 would make two infinities meet


class Sampler:
    """Draws the tokens of one answer. It depends on its seed alone, not on other answers.

    The Gumbel-max trick (the largest sum of a score and noise) draws from the softmax of the
    scores without a wait for the device. On another kind of device a seed draws other numbers.
    """

    def __init__(self, sampling: Sampling, device: torch.device) -> None:
        from transformers.generation import logits_process as public

        self._warpers: list[Any] = [public.TemperatureLogitsWarper(float(sampling.temperature))]
        if sampling.top_k:
            self._warpers.append(public.TopKLogitsWarper(sampling.top_k))
        if sampling.top_p < 1:
            self._warpers.append(public.TopPLogitsWarper(sampling.top_p))
        seed = secrets.randbelow(MAX_SEED) if sampling.seed is None else sampling.seed
        self._generator = torch.Generator(device).manual_seed(seed)

    def draw(self, scores: Tensor) -> Tensor:
        """A token for scores [1, vocabulary] in fp32: [1], on the device."""
        for warper in self._warpers:
            scores = warper(None, scores)
        noise = torch.empty_like(scores).exponential_(generator=self._generator)
        return (scores - noise.clamp_min_(_LEAST).log_()).argmax(dim=-1)
