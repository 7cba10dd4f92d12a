"""How many of how many, with a confidence interval."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

_Z = 1.96  # 95%


@dataclass(frozen=True, slots=True)
class Share:
    """How many of how many, with its 95% confidence interval (Wilson)."""

    right: int
    asked: int

    @classmethod
    def of(cls, rights: Iterable[bool]) -> Share:
        """The share of those that are right."""
        found = list(rights)
        return cls(sum(found), len(found))

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
