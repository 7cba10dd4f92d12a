"""The next tokens of answers with grammars, from those that their grammars allow."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hermes.vlm.grammar import GrammarState
from hermes.vlm.sampler import Sampler
from hermes.vlm.spelling import Spelling


class GrammarChoice:
    """Chooses by a model's scores, the likeliest token or by an answer's sampler.

    What the grammars allow is computed on the host, while the device still computes
    the scores.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._bits = torch.arange(8, dtype=torch.uint8, device=device)
        self._tables: dict[Spelling, tuple[Tensor, Tensor]] = {}

    def choose(
        self, scores: Tensor, states: Sequence[GrammarState], samplers: Sequence[Sampler | None]
    ) -> tuple[Tensor, Tensor]:
        """[n, vocabulary] -> a token of the model and the piece of text that it stands for: [n]."""
        allowed = self._allowed([state.mask() for state in states])
        spelling = states[0].spelling  # one model has one
        if spelling.tokens is not None:
            tokens, scored_by = self._table(spelling)
            scores = scores.index_select(1, scored_by)
        scores = scores.masked_fill(~allowed[:, : scores.shape[1]], float("-inf"))
        pieces = scores.argmax(dim=-1)
        for place, sampler in enumerate(samplers):
            if sampler is not None:  # each by itself: the draw depends on no other answer
                pieces[place : place + 1] = sampler.draw(scores[place : place + 1])
        return (pieces if spelling.tokens is None else tokens[pieces]), pieces

    def _allowed(self, masks: Sequence[bytes]) -> Tensor:
        """[n, pieces] bool on the device, from a bit for each piece."""
        packed = torch.frombuffer(bytearray(b"".join(masks)), dtype=torch.uint8)
        packed = packed.view(len(masks), -1, 1)
        if self._device.type == "cuda":
            packed = packed.pin_memory()
        there = packed.to(self._device, non_blocking=True)
        return ((there >> self._bits) & 1).view(len(masks), -1).to(torch.bool)

    def _table(self, spelling: Spelling) -> tuple[Tensor, Tensor]:
        if spelling not in self._tables:
            self._tables[spelling] = (
                torch.tensor(spelling.tokens, device=self._device),
                torch.tensor(spelling.scored_by, device=self._device),
            )
        return self._tables[spelling]
