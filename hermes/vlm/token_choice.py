"""The next token of each of several answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from hermes.question import Turn
from hermes.sampling import GREEDY, Sampling
from hermes.vlm.base import VideoModel
from hermes.vlm.grammar import GrammarState
from hermes.vlm.grammar_choice import GrammarChoice
from hermes.vlm.sampler import Sampler

_ANSWERS_AT_FIRST = 4
PLAIN = -1
"""The row of every answer whose tokens are those with the largest logits."""


class ChosenToken(NamedTuple):
    """A token of an answer.

    `logprob`: its log-probability by the model's own logits, before any penalty,
    temperature, grammar or cut; None unless it was asked for. `text`: what it completes of
    an answer with a grammar; None without one.
    """

    id: int
    logprob: float | None = None
    text: str | None = None


@dataclass(slots=True)
class _Row:
    """How the tokens of one answer are chosen. Without a sampler, the likeliest one is.

    `piece`: on the device, what was written of the grammar's pieces, where these are not tokens.
    """

    penalty: float
    sampler: Sampler | None
    logprobs: bool
    grammar: GrammarState | None
    piece: Tensor | None = None


class TokenChoice:
    """Chooses tokens by the model's logits and each answer's settings: greedily by default.

    A repetition penalty counts the tokens of the whole prompt, as in transformers,
    and those of the answer. They are marked in a table on the device, one row an
    answer, so that no pass has to wait for the host. All calls come from the
    device's thread.
    """

    def __init__(self, model: VideoModel) -> None:
        self._model = model
        self._penalty = model.decoding.repetition_penalty
        self._seen: Tensor | None = None
        self._free: list[int] = []
        self._rows: dict[int, _Row] = {}
        self._grammars = GrammarChoice(model.shape.device)

    @property
    def by_logits_alone(self) -> bool:
        """Whether an answer that asks for nothing else takes the tokens of the largest logits."""
        return self._penalty == 1

    @torch.inference_mode()
    def begin(
        self,
        question: str,
        sampling: Sampling = GREEDY,
        turns: Sequence[Turn] = (),
        grammar: GrammarState | None = None,
        prompts: VideoModel | None = None,
    ) -> int:
        """The row of an answer to `question`, after `turns`. Give it back with `end`.

        `prompts`: what makes its prompt; by default the model.
        """
        prompts = prompts or self._model
        asked = sampling.repetition_penalty
        penalty = self._penalty if asked is None else asked
        if penalty == 1 and not sampling.draws and not sampling.logprobs and grammar is None:
            return PLAIN
        sampler = Sampler(sampling, self._model.shape.device) if sampling.draws else None
        if not self._free:
            self._grow()
        assert self._seen is not None
        row = self._free.pop()
        self._rows[row] = _Row(penalty, sampler, sampling.logprobs, grammar)
        if penalty == 1:
            return row  # what was seen and said does not matter
        prompt = prompts.prompt_ids(question, turns, reasoning=grammar is None)
        ids = torch.tensor(sorted(set(prompt)), dtype=torch.int64)
        ids = ids[ids < self._seen.shape[1]]  # a tokenizer can know more than the model says
        self._seen[row].zero_().index_fill_(0, ids.to(self._seen.device, non_blocking=True), True)
        return row

    def end(self, row: int) -> None:
        """The answer is over."""
        if row != PLAIN:
            del self._rows[row]
            self._free.append(row)

    @torch.inference_mode()
    def choose(self, logits: Tensor, rows: Sequence[int]) -> Tensor:
        """[n, vocabulary] -> [n] on the device: a token for the answer of each of `rows`."""
        own = [at for at, row in enumerate(rows) if row != PLAIN]
        if len(own) == len(rows):
            return self._choose(logits, rows)
        chosen = logits.argmax(dim=-1)
        return self.amend(chosen, own, logits, rows) if own else chosen

    @torch.inference_mode()
    def amend(
        self, chosen: Tensor, own: Sequence[int], logits: Tensor, rows: Sequence[int]
    ) -> Tensor:
        """`chosen`, with the tokens of the places `own`, which are not plain, chosen anew."""
        at = torch.tensor(own).to(logits.device, non_blocking=True)
        found = self._choose(logits.index_select(0, at), [rows[n] for n in own])
        return chosen.index_copy(0, at, found)

    @torch.inference_mode()
    def read(self, chosen: Tensor, logits: Tensor | None, rows: Sequence[int]) -> list[ChosenToken]:
        """The tokens on the host: the one wait for the device.

        `logits`: those that they were chosen by; None if all answers are plain.
        """
        wanted = [row != PLAIN and self._rows[row].logprobs for row in rows]
        logprobs: list[float | None] = [None] * len(rows)
        if logits is None or not any(wanted):
            tokens = chosen.tolist()
        else:
            scores = logits.to(torch.float32).log_softmax(dim=-1)
            found = scores.gather(-1, chosen.unsqueeze(-1)).squeeze(-1)
            both = torch.stack((chosen.to(torch.float64), found.to(torch.float64))).tolist()
            tokens = [int(token) for token in both[0]]
            logprobs = [
                value if wants else None for value, wants in zip(both[1], wanted, strict=True)
            ]
        return [
            ChosenToken(token, logprob, self._text(row, token))
            for token, logprob, row in zip(tokens, logprobs, rows, strict=True)
        ]

    def _text(self, row: int, token: int) -> str | None:
        """What a token adds to the text of an answer with a grammar, which it takes on by it."""
        own = None if row == PLAIN else self._rows[row]
        if own is None or own.grammar is None:
            return None
        return own.grammar.take(token if own.piece is None else int(own.piece))

    def _choose(self, logits: Tensor, rows: Sequence[int]) -> Tensor:
        """As `choose`, for rows that are in the table."""
        assert self._seen is not None
        scores = logits.to(torch.float32)
        penalties = [self._rows[row].penalty for row in rows]
        at: Tensor | None = None
        if any(penalty != 1 for penalty in penalties):
            at = torch.tensor(rows).to(logits.device, non_blocking=True)
            by = penalties[0] if len(set(penalties)) == 1 else _column(penalties, scores)
            less = torch.where(scores < 0, scores * by, scores / by)
            scores = torch.where(self._seen.index_select(0, at), less, scores)
        chosen = scores.argmax(dim=-1)
        own = [self._rows[row] for row in rows]
        for place, row in enumerate(own):
            if row.sampler is not None and row.grammar is None:
                # Each by itself: the draw depends on no other answer.
                chosen[place : place + 1] = row.sampler.draw(scores[place : place + 1])
        if any(row.grammar is not None for row in own):
            chosen = self._allowed(chosen, scores, own)
        if at is not None:
            self._seen.view(-1).index_fill_(0, at * self._seen.shape[1] + chosen, True)
        return chosen

    def _allowed(self, chosen: Tensor, scores: Tensor, rows: Sequence[_Row]) -> Tensor:
        """`chosen`, with the tokens of answers with a grammar chosen from what it allows."""
        held = [(n, row, row.grammar) for n, row in enumerate(rows) if row.grammar is not None]
        at: Tensor | None = None
        if len(held) < len(rows):
            at = torch.tensor([n for n, *_ in held]).to(scores.device, non_blocking=True)
        tokens, pieces = self._grammars.choose(
            scores if at is None else scores.index_select(0, at),
            [grammar for *_, grammar in held],
            [row.sampler for _, row, _ in held],
        )
        for place, (_, row, grammar) in enumerate(held):
            row.piece = None if grammar.spelling.tokens is None else pieces[place]
        return tokens if at is None else chosen.index_copy(0, at, tokens)

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


def _column(numbers: Sequence[float], like: Tensor) -> Tensor:
    """[n, 1], in the type and on the device of `like`."""
    return torch.tensor(numbers, dtype=like.dtype).unsqueeze(1).to(like.device, non_blocking=True)
