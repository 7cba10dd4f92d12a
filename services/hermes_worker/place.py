"""A place in a camera's frame log, with all that a reader must know to go on from there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from services.common.frame_log import BEGINNING, LogId

_TEXT = re.compile(r"(\d{1,20})-(\d{1,20})(?:@(\d{1,19}):(\d{1,19}))?(!?)")


@dataclass(frozen=True, slots=True)
class Place:
    """Behind the entry `id`. As text it is the engine's cursor, and goes with a snapshot.

    `epoch`, `next_index`: the decoder's epoch, and the index of the next frame
    under it; 0 and 0 if nothing was read. `hole`: what came before the next
    frame is missing.
    """

    id: LogId = BEGINNING
    epoch: int = 0
    next_index: int = 0
    hole: bool = False

    def __str__(self) -> str:
        read = f"@{self.epoch}:{self.next_index}" if self.epoch else ""
        return f"{self.id}{read}{'!' if self.hole else ''}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """From its text; the beginning from none. Raises ValueError."""
        if not text:
            return cls()
        found = _TEXT.fullmatch(text)
        if found is None:
            raise ValueError(f"no place in a log: {text[:60]!r}")
        ms, seq, epoch, index, hole = found.groups()
        return cls(LogId(int(ms), int(seq)), int(epoch or 0), int(index or 0), bool(hole))

    @property
    def indices(self) -> Mapping[int, int]:
        """The index of the next frame, by epoch."""
        return {self.epoch: self.next_index} if self.epoch else {}
