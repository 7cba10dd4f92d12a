"""The next token of each of several answers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hermes.vlm.base import VideoModel

_ANSWERS_AT_FIRST = 4


class TokenChoice:
    """Chooses the likeliest token, by the model's logits and its repetition penalty.

    The penalty counts the tokens of the whole prompt, as in transformers, and
    those of the answer. They are marked in a table on the device, one row an
    answer, so that no pass has to wait for the host. All calls come from the
    device's thread.
    """

    def __init__(self, model: VideoModel) -> None:
        self._model = model
        self._penalty = model.decoding.repetition_penalty
        self._seen: Tensor | None = None
        self._free: list[int] = []

    @property
    def by_logits_alone(self) -> bool:
        """Whether the likeliest token is always the one with the largest logit."""
        return self._penalty == 1

    @torch.inference_mode()
    def begin(self, question: str) -> int:
        """The row of an answer to `question`. Give it back with `end`."""
        if self.by_logits_alone:
            return 0
        if not self._free:
            self._grow()
        assert self._seen is not None
        row = self._free.pop()
        ids = torch.tensor(sorted(set(self._model.prompt_ids(question))), dtype=torch.int64)
        ids = ids[ids < self._seen.shape[1]]  # a tokenizer can know more than the model says
        self._seen[row].zero_().index_fill_(0, ids.to(self._seen.device), True)
        return row

    def end(self, row: int) -> None:
        """The answer is over."""
        if not self.by_logits_alone:
            self._free.append(row)

    @torch.inference_mode()
    def choose(self, logits: Tensor, rows: Sequence[int]) -> Tensor:
        """[n, vocabulary] -> [n] on the device: a token for the answer of each of `rows`."""
        if self.by_logits_alone:
            return logits.argmax(dim=-1)
        assert self._seen is not None
        at = torch.tensor(rows).to(logits.device, non_blocking=True)
        scores = logits.to(torch.float32)
        less = torch.where(scores < 0, scores * self._penalty, scores / self._penalty)
        chosen = torch.where(self._seen.index_select(0, at), less, scores).argmax(dim=-1)
        self._seen.view(-1).index_fill_(0, at * self._seen.shape[1] + chosen, True)
        return chosen

    def _grow(self) -> None:
        """Twice as many rows, or the first ones."""
        old = 0 if self._seen is None else len(self._seen)
        more = max(_ANSWERS_AT_FIRST, old)
        made = torch.zeros(
            (more, self._model.decoding.vocabulary),
            dtype=torch.bool,
            device=self._model.shape.device,
        )
        self._seen = made if self._seen is None else torch.cat((self._seen, made))
        self._free += range(old, old + more)
