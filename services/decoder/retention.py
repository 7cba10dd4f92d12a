"""Retention: how much of a camera's log is kept, and how much of it nobody has read. Pure."""

from __future__ import annotations

from collections import deque

from services.common.frame_log import BEGINNING, LogId

ENTRY_OVERHEAD = 96
"""Bytes that Redis needs for an entry beside its payload, roughly."""

SEED_LUMPS = 16


class Retention:
    """Accounts for what was appended, and picks the id below which the log is trimmed.

    Kept by time (`window_s`) and by size (`max_bytes`), whichever is less; for
    a source that must be read whole never less than what is unread, and, as far
    as `max_bytes` goes, never less than what is in no checkpoint yet.
    """

    def __init__(self, window_s: float, max_bytes: int, *, whole: bool) -> None:
        self._window_ms = int(window_s * 1000)
        self._max_bytes = max_bytes
        self._whole = whole
        self._entries: deque[tuple[LogId, int]] = deque()
        self._bytes = 0

    @property
    def bytes(self) -> int:
        """Bytes in the log, roughly."""
        return self._bytes

    def seed(self, last: LogId, size: int) -> None:
        """Take over a log that ends at `last` and is `size` bytes large.

        Its entries are not known: they are taken to lie evenly in the window.
        """
        if size <= 0 or last <= BEGINNING:
            return
        for lump in range(SEED_LUMPS - 1, -1, -1):
            ms = max(1, last.ms - self._window_ms * lump // SEED_LUMPS)
            self._entries.append((LogId(ms, last.seq if not lump else 0), size // SEED_LUMPS))
            self._bytes += size // SEED_LUMPS

    def min_id(
        self, new: LogId, size: int, read: LogId | None, durable: LogId | None = None
    ) -> LogId:
        """Where to trim when an entry of `size` bytes is appended as `new`.

        `read`: the last id that the camera's reader has taken in, if any.
        `durable`: the last one that would survive its end; None if none does.
        """
        by_age = LogId(max(0, new.ms - self._window_ms))
        by_size = BEGINNING
        excess = self._bytes + size + ENTRY_OVERHEAD - self._max_bytes
        for id, entry_bytes in self._entries:
            if excess <= 0:
                break
            excess -= entry_bytes
            by_size = _behind(id)
        if self._whole:
            by_size = min(by_size, _behind(read))
            by_age = min(by_age, _behind(read), _behind(read if durable is None else durable))
        return min(max(by_age, by_size), new)

    def appended(self, id: LogId, size: int, min_id: LogId) -> None:
        """An append succeeded, with this trimming."""
        while self._entries and self._entries[0][0] < min_id:
            self._bytes -= self._entries.popleft()[1]
        self._entries.append((id, size + ENTRY_OVERHEAD))
        self._bytes += size + ENTRY_OVERHEAD

    def unread(self, read: LogId | None) -> int:
        """Bytes behind the reader's position; all of them if there is no reader."""
        position = BEGINNING if read is None else read
        return sum(size for id, size in self._entries if id > position)


def _behind(id: LogId | None) -> LogId:
    """The lowest id behind an entry; of none, the lowest of all that is one."""
    position = BEGINNING if id is None else id
    return LogId(position.ms, position.seq + 1)
