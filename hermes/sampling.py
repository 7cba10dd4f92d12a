"""How the tokens of one answer are chosen. No torch: the gateway has none."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hermes.errors import InvalidInput

MAX_STOPS = 16
MAX_STOP_CHARACTERS = 256
MAX_SEED = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Sampling:
    """How one answer is decoded. The default is greedy: always the likeliest token.

    `temperature`: the logits are divided by it, and a token is drawn; 0 is greedy.
    `top_k`: draw from this many of the likeliest tokens; 0 is all.
    `top_p`: draw from the fewest likeliest tokens whose probabilities add up to
    this; 1 is all. Both have an effect only where a token is drawn.
    `seed`: the same seed draws the same numbers; None draws others each time.
    `repetition_penalty`: in place of the model's own; 1 is none.
    `stop`: texts that end the answer before them.
    `logprobs`: report the log-probability of each token of the answer.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int | None = None
    repetition_penalty: float | None = None
    stop: tuple[str, ...] = ()
    logprobs: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise InvalidInput("temperature", "must be a number from 0 on; 0 is greedy")
        if self.top_k < 0:
            raise InvalidInput("top_k", "must not be negative; 0 is all tokens")
        if not 0 < self.top_p <= 1:
            raise InvalidInput("top_p", "must be more than 0, and at most 1")
        if self.seed is not None and not 0 <= self.seed <= MAX_SEED:
            raise InvalidInput("seed", f"must be from 0 to {MAX_SEED}")
        penalty = self.repetition_penalty
        if penalty is not None and not (math.isfinite(penalty) and penalty > 0):
            raise InvalidInput("repetition_penalty", "must be more than 0; 1 is none")
        if len(self.stop) > MAX_STOPS:
            raise InvalidInput("stop", f"has {len(self.stop)} texts; at most {MAX_STOPS}")
        if not all(0 < len(text) <= MAX_STOP_CHARACTERS for text in self.stop):
            raise InvalidInput("stop", f"each must have 1 to {MAX_STOP_CHARACTERS} characters")

    @property
    def draws(self) -> bool:
        """Whether tokens are drawn at random."""
        return self.temperature > 0


GREEDY = Sampling()
"""The default: the likeliest token, with the model's own penalty."""
