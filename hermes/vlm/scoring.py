"""The probability of each choice, by the model's own likelihood of its text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, fsum, inf, log

import torch
from torch import Tensor

from hermes.choices import ChoiceProbability
from hermes.memory import Branch, ForkedRow, PackedPass
from hermes.vlm.base import VideoModel
from hermes.vlm.choice_tokens import ChoiceTokens

_LOGITS_AT_ONCE = 8 * 1024 * 1024
"""So many logits are held in fp32 at once: 32 MiB, the whole vocabulary for 55 tokens of Qwen's."""


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

    @property
    def numbers(self) -> list[tuple[int, int]]:
        """All that is read: which of the outputs, and the token."""
        return [*self.tokens, *((at, id) for at in self.ends for id in self.end_ids)]

    def values(self, found: Sequence[float]) -> list[float]:
        """Those of `tokens`, then those of `ends`. `found`: the log-probability of each of
        `numbers`.
        """
        cut, each = len(self.tokens), len(self.end_ids)
        ends = [found[at : at + each] for at in range(cut, len(found), each)] if each else []
        return [*found[:cut], *map(_logsumexp, ends)]


@torch.inference_mode()
def read_logprobs(
    model: VideoModel, hidden: Tensor, numbers: Sequence[tuple[int, int]]
) -> list[float]:
    """The log-probability of each token after the output [n, hidden] that it is named with."""
    wanted = torch.tensor(numbers, dtype=torch.int64).to(hidden.device, non_blocking=True)
    at, ids = wanted.unbind(1)
    found = hidden.new_zeros(len(numbers), dtype=torch.float32)
    at_once = max(1, _LOGITS_AT_ONCE // model.decoding.vocabulary)
    for first in range(0, len(hidden), at_once):
        scores = model.logits(hidden[first : first + at_once]).to(torch.float32)
        here = at - first
        inside = (here >= 0) & (here < len(scores))
        here = here.clamp(0, len(scores) - 1)
        values = scores[here, ids] - scores.logsumexp(dim=-1)[here]
        found = torch.where(inside, values, found)
    values_read: list[float] = found.tolist()  # the one wait for the device
    return values_read


def _logsumexp(values: Sequence[float]) -> float:
    most = max(values)
    if most == -inf:
        return most
    return most + log(fsum(exp(value - most) for value in values))


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
    def forks(self) -> tuple[int, ...]:
        """Tokens of each choice of the next pass."""
        return tuple(len(self._choices.ids[choice]) for choice in self._group)

    @property
    def ids(self) -> list[int]:
        """Token ids of the choices of the next pass."""
        return [id for choice in self._group for id in self._choices.ids[choice]]

    def row(self, branch: Branch, question: int) -> ForkedRow:
        """The row of the next pass, which begins with so many tokens of the question."""
        return ForkedRow(branch, question, self.forks)

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
            found = read_logprobs(model, hidden.index_select(0, outputs), wanted.numbers)
            self.took(wanted.values(found))
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
