"""How many tokens of new questions one pass reads. Plain Python: no clock, no device."""

from __future__ import annotations

PASS_S = 0.3
"""Answers under way wait no longer than this for a pass that reads more than it must."""
MOST = 4
"""A pass reads at most so many times the tokens that it may read in any case."""


class QuestionRoom:
    """As many tokens as may be read in any case, and more where that takes little time.

    Questions that are read together are answered in step, and share all later passes.
    """

    def __init__(self, least: int, *, grows: bool) -> None:
        """`least`: tokens that are read in any case. `grows`: without, it stays at that."""
        self.tokens = least
        self._least = least
        self._grows = grows

    def took(self, tokens: int, seconds: float) -> None:
        """Record a pass that read so many tokens."""
        if not self._grows or 2 * tokens < self._least:
            return  # what a short pass takes does not grow with its tokens
        fitting = int(tokens * PASS_S / max(seconds, 1e-6))
        self.tokens = max(self._least, min(MOST * self._least, fitting))
