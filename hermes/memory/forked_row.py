"""A row that forks: texts that could each follow the same tokens, read in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate

import torch
from torch import Tensor

from hermes.memory.attention import tail_mask
from hermes.memory.branch import Branch, BranchRow, Place


class ForkedRow(BranchRow):
    """Tokens of a question, and after them several texts, of which none sees another.

    Each text sees the memory, the branch up to the fork and itself, as if it alone
    followed. The branch keeps the tokens before the fork, and forgets the texts.
    """

    def __init__(self, branch: Branch, shared: int, forks: Sequence[int]) -> None:
        """`shared`: tokens of the row before the fork; `forks`: tokens of each text."""
        super().__init__(branch, shared + sum(forks))
        branch.check_room(self.tokens)
        self._shared = shared
        self._forks = tuple(forks)

    @property
    def kept(self) -> int:
        """How many of its tokens stay in the branch."""
        return self._shared

    def positions(self) -> Tensor:
        """Those of each text begin where the fork is."""
        shared = self._shared
        longest = self.branch.positions(shared + max(self._forks))
        parts = [longest[:, shared : shared + tokens] for tokens in self._forks]
        return torch.cat((longest[:, :shared], *parts), dim=1)

    @property
    def line(self) -> range | None:
        """None: they do not follow one another."""
        return None

    @property
    def causal(self) -> bool:
        """Not so: a text does not see those before it."""
        return False

    @cached_property
    def mask(self) -> Tensor | None:
        """As of every row; a text does not see those before it."""
        branch = self.branch
        before = branch.length + self._shared
        device = branch.slab.shape.device
        causal = tail_mask(self._tokens, branch.length + self._tokens, device)
        if causal is None:
            return None
        sizes = torch.tensor((before, *self._forks))
        text = (
            torch.arange(len(sizes)).repeat_interleave(sizes).to(device, non_blocking=True)
        )  # 0: before the fork
        return causal & ((text == 0) | (text == text[branch.length :, None]))

    def places(self) -> list[Place]:
        """As of every row; a token of a text skips the texts before it."""
        line, shared = super().places(), self._shared
        found = line[:shared]
        fork = self.branch.length + shared
        for skip, tokens in zip(accumulate(self._forks, initial=0), self._forks, strict=False):
            found += [
                Place(fork + skip + n, line[shared + n].position, fork, skip) for n in range(tokens)
            ]
        return found
