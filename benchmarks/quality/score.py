"""Right answers, counted by kind of question and age of the evidence, with intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from hermes.demo.questions import KINDS

_Z = 1.96  # 95%


@dataclass(frozen=True, slots=True)
class Verdict:
    """One answer. `age`: frames since its evidence was last seen; None where there was none."""

    kind: str
    age: float | None
    right: bool


@dataclass(frozen=True, slots=True)
class Share:
    """How many of how many, with its 95% confidence interval (Wilson)."""

    right: int
    asked: int

    @classmethod
    def of(cls, verdicts: Iterable[Verdict]) -> Share:
        """The share of right answers among these."""
        rights = [verdict.right for verdict in verdicts]
        return cls(sum(rights), len(rights))

    @property
    def value(self) -> float:
        """From 0 to 1."""
        return self.right / self.asked if self.asked else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper end."""
        if not self.asked:
            return math.nan, math.nan
        n, p, z = self.asked, self.value, _Z
        centre = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return max(0.0, centre - half), min(1.0, centre + half)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{100 * self.value:.0f} ({100 * low:.0f}-{100 * high:.0f})" if self.asked else "-"


def era(verdict: Verdict, budget_frames: float) -> str:
    """`now`, `recent past` or `distant past`: what a window of the budget's size still holds, or
    does not; `never there`.
    """
    if verdict.age is None:
        return "never there"
    if KINDS[verdict.kind][0] == "now":
        return "now"
    return "recent past" if verdict.age <= budget_frames else "distant past"
