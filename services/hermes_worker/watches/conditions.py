"""Conditions of triggers: what one value of a watch says by itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol


class Verdict(Enum):
    """What a value says about a condition."""

    HOLDS = "holds"
    BETWEEN = "between"
    """It neither opens an event nor closes one."""
    CLEAR = "clear"


@dataclass(frozen=True, slots=True)
class Reading:
    """What one evaluation of a watch found.

    `at_ms`: capture time of the newest frame that it saw. `value`: the probability
    of yes, or the number. `choices`: the probability of each choice, if there are.
    `after_gap`: frames are missing between the reading before and this one.
    """

    at_ms: int
    value: float = 0.0
    choices: Mapping[str, float] = field(default_factory=dict)
    after_gap: bool = False

    @property
    def answer(self) -> str:
        """The likeliest choice; of several the first."""
        return max(self.choices, key=lambda text: self.choices[text]) if self.choices else ""


class Condition(Protocol):
    """What opens an event and what closes it, as far as one value tells."""

    def value(self, reading: Reading) -> float:
        """The number that it is judged by."""
        ...

    def judge(self, value: float) -> Verdict:
        """What the number says."""
        ...

    def graver(self, one: float, other: float) -> float:
        """The more extreme of two numbers."""
        ...


@dataclass(frozen=True, slots=True)
class Above:
    """Holds from `threshold` up; clear from `clear` down, which is not above it."""

    threshold: float
    clear: float

    def value(self, reading: Reading) -> float:
        """The reading's own."""
        return reading.value

    def judge(self, value: float) -> Verdict:
        """By both limits; where they are the same, what is not above them is clear."""
        if value >= self.threshold:
            return Verdict.HOLDS
        return Verdict.CLEAR if value <= self.clear or self.clear >= self.threshold else _BETWEEN

    def graver(self, one: float, other: float) -> float:
        """The larger."""
        return max(one, other)


@dataclass(frozen=True, slots=True)
class Below:
    """Holds from `threshold` down; clear from `clear` up, which is not below it."""

    threshold: float
    clear: float

    def value(self, reading: Reading) -> float:
        """The reading's own."""
        return reading.value

    def judge(self, value: float) -> Verdict:
        """By both limits; where they are the same, what is not below them is clear."""
        if value <= self.threshold:
            return Verdict.HOLDS
        return Verdict.CLEAR if value >= self.clear or self.clear <= self.threshold else _BETWEEN

    def graver(self, one: float, other: float) -> float:
        """The smaller."""
        return min(one, other)


@dataclass(frozen=True, slots=True)
class OneOf:
    """Holds while some choices together have at least the probability `threshold`, and the
    likeliest of all is one of them. Clear once they have at most `clear`.

    Where another becomes the likeliest by a little, the model is unsure: that closes nothing.
    """

    wanted: frozenset[str]
    threshold: float
    clear: float

    def value(self, reading: Reading) -> float:
        """Their probability; less than `threshold` where another choice is the likeliest of all."""
        found = sum(reading.choices.get(text, 0.0) for text in self.wanted)
        if reading.answer in self.wanted:
            return found
        return min(found, math.nextafter(self.threshold, 0.0))

    def judge(self, value: float) -> Verdict:
        """By both limits."""
        return Above(self.threshold, self.clear).judge(value)

    def graver(self, one: float, other: float) -> float:
        """The larger."""
        return max(one, other)


_BETWEEN = Verdict.BETWEEN
