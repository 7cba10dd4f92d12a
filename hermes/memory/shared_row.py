"""A row with several questions about the same: what they begin with is read once for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate

import torch
from torch import Tensor

from hermes.memory.attention import tail_mask
from hermes.memory.branch import Branch, BranchRow, Place

_MASKS = 32
"""Masks and orders that are remembered: cameras with the same watches have the same."""


@dataclass(frozen=True, slots=True)
class Part:
    """One question of a row: its tokens, and the tokens of each text that could follow it."""

    tokens: int
    forks: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """All of its tokens in the row."""
        return self.tokens + sum(self.forks)


class SharedRow(BranchRow):
    """The frames that a new branch begins with, and several questions. None sees another.

    Each question sees the memory, the frames and itself, as if it alone were asked; the
    texts after it are as in a `ForkedRow`. A question that goes on after the pass gets a
    branch of its own: `split`. The branch itself is of no use then.
    """

    def __init__(self, branch: Branch, shared: int, parts: Sequence[Part]) -> None:
        """`shared`: tokens of the frames, 0 without any. `parts`: the questions, in order."""
        super().__init__(branch, shared + sum(part.size for part in parts))
        branch.check_room(self.tokens)
        self._shared = shared
        self._parts = tuple(parts)
        self.starts = tuple(accumulate((part.size for part in parts[:-1]), initial=shared))
        """Where in the row each question begins."""

    @property
    def kept(self) -> int:
        """How many of its tokens stay in the branch."""
        return self._shared

    @property
    def in_line(self) -> bool:
        """Never: a text may have two stretches of tokens before it that it does not see."""
        return False

    def places(self) -> list[Place]:
        """It has none: see `in_line`."""
        raise RuntimeError("a row of several questions is not read in line")

    def positions(self) -> Tensor:
        """Those of each question begin after the frames, and those of a text after its question."""
        shared = self._shared
        longest = max(part.tokens + max(part.forks, default=0) for part in self._parts)
        line = self.branch.positions(shared + longest)
        return line.index_select(1, _order(shared, self._parts, line.device))

    @property
    def line(self) -> range | None:
        """None: they do not follow one another."""
        return None

    @property
    def causal(self) -> bool:
        """Not so: a question does not see those before it."""
        return False

    @cached_property
    def mask(self) -> Tensor | None:
        """As of every row; a question sees no other one, and a text sees no other text."""
        return _mask(self._shared, self._parts, self.branch.keys.device)

    def split(self, number: int, room: int) -> Branch:
        """A branch for one of the questions, once the pass is done: it goes on from there.

        It has read the frames and the question. `room`: for how many tokens, beside the frames.
        Close it.
        """
        tokens = self._parts[number].tokens
        return self.branch.split(self._shared, self.starts[number], tokens, room)


@lru_cache(_MASKS)
def _order(shared: int, parts: tuple[Part, ...], device: torch.device) -> Tensor:
    """How far from the branch's first token each token of the row would be if it stood alone."""
    found = list(range(shared))
    for part in parts:
        fork = shared + part.tokens
        found += range(shared, fork)
        for tokens in part.forks:
            found += range(fork, fork + tokens)
    return torch.tensor(found, dtype=torch.int64).to(device)


@lru_cache(_MASKS)
def _mask(shared: int, parts: tuple[Part, ...], device: torch.device) -> Tensor | None:
    sizes, questions, texts = [shared], [0], [0]
    for number, part in enumerate(parts, 1):
        sizes += [part.tokens, *part.forks]
        questions += [number] * (1 + len(part.forks))
        texts += range(1 + len(part.forks))
    causal = tail_mask(sum(sizes), sum(sizes), device)
    if causal is None:
        return None
    counts = torch.tensor(sizes)
    own = [
        torch.tensor(numbers).repeat_interleave(counts).to(device) for numbers in (questions, texts)
    ]
    for of in own:  # 0 is what comes before all questions, or before all texts
        causal &= (of == 0) | (of == of.unsqueeze(1))
    return causal
