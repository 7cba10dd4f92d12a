"""The probability of each choice, by the model's own likelihood of its text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, fsum

import torch
from torch import Tensor

from hermes.choices import ChoiceProbability
from hermes.memory import Branch, ForkedRow, PackedPass
from hermes.vlm.base import VideoModel
from hermes.vlm.choice_tokens import ChoiceTokens

_OUTPUTS_AT_ONCE = 32
"""For so many tokens at once the logits of the whole vocabulary are held in fp32."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Log-probabilities that are read from a row.

    `outputs`: tokens of the row after which something is predicted. `tokens`: which
    of the outputs, and the token whose log-probability is wanted there. `ends`: at
    which of them the log-probability of the answer's end is wanted: of any of
    `end_ids`.
    """

    outputs: tuple[int, ...]
    tokens: tuple[tuple[int, int], ...]
    ends: tuple[int, ...]
    end_ids: tuple[int, ...]

    @torch.inference_mode()
    def read(self, model: VideoModel, hidden: Tensor) -> Tensor:
        """Those of `tokens`, then those of `ends`: fp32 [n]. `hidden`: of the outputs."""
        wanted = [*self.tokens, *((at, id) for at in self.ends for id in self.end_ids)]
        at, ids = (
            torch.tensor(wanted, dtype=torch.int64).to(hidden.device, non_blocking=True).unbind(1)
        )
        found = hidden.new_zeros(len(wanted), dtype=torch.float32)
        for first in range(0, len(hidden), _OUTPUTS_AT_ONCE):
            scores = model.logits(hidden[first : first + _OUTPUTS_AT_ONCE]).to(torch.float32)
            scores = scores.log_softmax(dim=-1)
            here = at - first
            inside = (here >= 0) & (here < len(scores))
            values = scores[here.clamp(0, len(scores) - 1), ids]
            found = torch.where(inside, values, found)
        cut = len(self.tokens)
        if not self.end_ids:
            return found
        return torch.cat((found[:cut], found[cut:].view(-1, len(self.end_ids)).logsumexp(1)))


class Scoring:
    """Scores the choices of one question: as many in one pass as fit, each in whole.

    The first pass reads the question with them. All are rows after the same
    question, of which none sees another.
    """

    def __init__(self, choices: ChoiceTokens, most: int) -> None:
        """`most`: tokens of choices in one pass; a single choice may have more."""
        self._choices = choices
        self._groups = groups_of(choices, most)
        self._next = 0
        self._logprobs: list[list[float]] = [[] for _ in choices.ids]

    @property
    def done(self) -> bool:
        """Whether all choices are scored."""
        return self._next == len(self._groups)

    @property
    def passes(self) -> int:
        """How many passes score all choices."""
        return len(self._groups)

    @property
    def most_tokens(self) -> int:
        """The most tokens of choices that any pass has."""
        return max(self._tokens_of(group) for group in self._groups)

    @property
    def tokens(self) -> int:
        """Tokens of the choices of the next pass."""
        return self._tokens_of(self._groups[self._next])

    @property
    def ids(self) -> list[int]:
        """Token ids of the choices of the next pass."""
        return [id for choice in self._group for id in self._choices.ids[choice]]

    def row(self, branch: Branch, question: int) -> ForkedRow:
        """The row of the next pass, which begins with so many tokens of the question."""
        return ForkedRow(branch, question, [len(self._choices.ids[n]) for n in self._group])

    def wanted(self, question: int) -> Wanted:
        """What to read from that row."""
        outputs = [question - 1] if self._next == 0 else []
        tokens = [(0, ids[0]) for ids in self._choices.ids] if self._next == 0 else []
        ends: list[int] = []
        place = question
        for choice in self._group:
            ids = self._choices.ids[choice]
            first = len(outputs)
            tokens += [(first + n, id) for n, id in enumerate(ids[1:])]
            ends += [first + len(ids) - 1]
            outputs += range(place, place + len(ids))
            place += len(ids)
        return Wanted(tuple(outputs), tuple(tokens), tuple(ends), self._choices.end_ids)

    def took(self, values: Sequence[float]) -> None:
        """Take what was read from that row, in the order of `Wanted`."""
        left = list(values)
        if self._next == 0:
            for logprobs in self._logprobs:
                logprobs.append(left.pop(0))
        for choice in self._group:
            more = len(self._choices.ids[choice]) - 1
            self._logprobs[choice] += left[:more]
            del left[:more]
        if self._choices.end_ids:
            for choice, value in zip(self._group, left, strict=True):
                self._logprobs[choice].append(value)
        self._next += 1

    @torch.inference_mode()
    def run(self, model: VideoModel, branch: Branch, question: Tensor) -> None:
        """Score all choices, in passes of their own. `question`: the branch's first inputs."""
        while not self.done:
            row, wanted = self.row(branch, len(question)), self.wanted(len(question))
            inputs = torch.cat((question, model.embed(self.ids)))
            hidden = model.forward(inputs, PackedPass([row]))
            branch.commit(row)
            outputs = torch.tensor(wanted.outputs).to(hidden.device, non_blocking=True)
            self.took(wanted.read(model, hidden.index_select(0, outputs)).tolist())
            question = question[:0]

    @property
    def probabilities(self) -> tuple[ChoiceProbability, ...]:
        """Of all choices, in the order they were asked for.

        A choice's `logprob` is the sum over its n tokens, the end of the answer
        included. Its probability is in proportion to exp(logprob * m / n), where m
        is the mean n of all choices: if all have the same number of tokens, to the
        likelihood itself; if not, none is less probable for being longer.
        """
        sums = [fsum(logprobs) for logprobs in self._logprobs]
        counts = [len(logprobs) for logprobs in self._logprobs]
        mean = sum(counts) / len(counts)
        scores = [total * mean / count for total, count in zip(sums, counts, strict=True)]
        weights = [exp(score - max(scores)) for score in scores]
        whole = fsum(weights)
        rows = zip(self._choices.texts, weights, sums, counts, strict=True)
        return tuple(
            ChoiceProbability(text, weight / whole, total, count)
            for text, weight, total, count in rows
        )

    @property
    def likeliest(self) -> int:
        """Which choice is the answer: the most probable one, of equal ones the first."""
        found = [choice.probability for choice in self.probabilities]
        return found.index(max(found))

    def logprobs(self, choice: int) -> list[tuple[int, float]]:
        """The tokens of a choice without the end of the answer, with their log-probabilities."""
        return list(zip(self._choices.ids[choice], self._logprobs[choice], strict=False))

    @property
    def _group(self) -> Sequence[int]:
        return self._groups[self._next]

    def _tokens_of(self, group: Sequence[int]) -> int:
        return sum(len(self._choices.ids[choice]) for choice in group)


def groups_of(choices: ChoiceTokens, most: int) -> list[list[int]]:
    """The choices of each pass, by number: at most so many tokens, or a single choice."""
    groups: list[list[int]] = [[]]
    room = most
    for choice, ids in enumerate(choices.ids):
        if groups[-1] and len(ids) > room:
            groups.append([])
            room = most
        groups[-1].append(choice)
        room -= len(ids)
    return groups
