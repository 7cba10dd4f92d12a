"""How much of a camera's picture is new: what a memory took in, and what it left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_RECENT_FRAMES = 30


@dataclass(slots=True)
class Intake:
    """What a memory took in since it was made.

    `frames`: how many frames. `taken`, `unchanged`: video tokens that were taken in,
    and that were left out.
    `changes`: in how many frames something changed. `change`: the share of the picture
    that changed in the newest frame. `ratio`: the share of tokens that was taken in, a mean
    of the frames, and after `_RECENT_FRAMES` one that follows about so many.
    """

    frames: int = 0
    taken: int = 0
    unchanged: int = 0
    changes: int = 0
    change: float = 1.0
    ratio: float = 1.0

    def took(self, frames: Iterable[tuple[int, int]], shares: Sequence[float]) -> None:
        """Count frames: how many tokens of each were taken in, and how many it has.

        `shares`: of the picture that changed, of each.
        """
        self.change = shares[-1]
        self.changes += sum(share > 0 for share in shares)
        for taken, whole in frames:
            self.frames += 1
            self.ratio += (taken / whole - self.ratio) / min(self.frames, _RECENT_FRAMES)
            self.taken += taken
            self.unchanged += whole - taken
