"""How much a memory keeps, and what a compression did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hermes.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class MemoryConfig:
    """The limits of a memory.

    `budget`: video tokens per layer after a compression (|M|).
    `headroom`: video tokens that fit on top before the next compression.
    `reindex`: `lazy` compacts positions only when they come near
    `position_limit`; `eager` does so at every compression.
    `position_limit`: one past the largest position that the model was made for.
    `position_reserve`: positions kept free for a question and its answer.
    `keep_present`: frames leave out what has not changed, so the newest token of
    every place of the picture stays, in every layer.
    """

    budget: int
    headroom: int
    position_limit: int
    position_reserve: int = 1024
    reindex: Literal["lazy", "eager"] = "lazy"
    keep_present: bool = False

    def __post_init__(self) -> None:
        if self.budget < 1:
            raise InvalidInput("budget", "must be at least one token")
        if self.headroom < 1:
            raise InvalidInput("headroom", "must be at least one token")
        if self.budget + self.headroom + self.position_reserve > self.position_limit:
            raise InvalidInput(
                "budget",
                f"{self.budget} tokens, {self.headroom} of headroom and {self.position_reserve}"
                f" for a question exceed the model's {self.position_limit} positions",
            )

    def check_room(self, frame_tokens: int) -> None:
        """Raises `InvalidInput` if a frame of so many tokens would not fit."""
        for name, tokens in (("budget", self.budget), ("headroom", self.headroom)):
            if tokens < frame_tokens:
                raise InvalidInput(
                    name,
                    f"{tokens} tokens are less than one frame: this model makes {frame_tokens}",
                )


@dataclass(frozen=True, slots=True)
class Compression:
    """The effect of a compression: tokens evicted over all layers, and whether positions moved."""

    evicted_tokens: int
    reindexed: bool
