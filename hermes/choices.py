"""What the model thinks of each choice. No torch: the gateway has none."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChoiceProbability:
    """A choice, and how probable the model finds it.

    `probability`: they add up to 1 over all choices. `logprob`: the log-probability
    of the choice's tokens after the question, the end of the answer included.
    `tokens`: how many these are.
    """

    text: str
    probability: float
    logprob: float
    tokens: int
