"""A position in a camera's frame log, with all that a reader needs to go on from there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from services.common.frame_log import BEGINNING, LogId

_TEXT = re.compile(r"(\d{1,20})-(\d{1,20})(?:@(\d{1,19}):(\d{1,19}))?(!?)")


@dataclass(frozen=True, slots=True)
class LogPosition:
    """Just past the entry `id`. Its text is the engine's cursor, and is part of every snapshot.

    `epoch`, `next_index`: the decoder's epoch, and the index of the next frame
    under it; 0 and 0 if nothing was read. `unseen`: frames before the next one
    are missing.
    """

    id: LogId = BEGINNING
    epoch: int = 0
    next_index: int = 0
    unseen: bool = False

    def __str__(self) -> str:
        read = f"@{self.epoch}:{self.next_index}" if self.epoch else ""
        return f"{self.id}{read}{'!' if self.unseen else ''}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """From its text; the beginning of the log from an empty one. Raises ValueError."""
        if not text:
            return cls()
        found = _TEXT.fullmatch(text)
        if found is None:
            raise ValueError(f"not a log position: {text[:60]!r}")
        ms, seq, epoch, index, unseen = found.groups()
        return cls(LogId(int(ms), int(seq)), int(epoch or 0), int(index or 0), bool(unseen))


START = LogPosition()
"""Before the first entry of a log."""
