"""Retention: how much of a camera's log is kept, and how much of it is unread. Pure."""

from __future__ import annotations

from collections import deque

from services.common.frame_log import BEGINNING, LogId

ENTRY_OVERHEAD = 96
"""Approximate bytes that Redis needs for an entry besides its payload."""

SEED_LUMPS = 16


class Retention:
    """Accounts for appended entries, and picks the id below which the log is trimmed.

    Entries are kept for `window_s` and up to `max_bytes`, whichever is less. A
    source that must be read whole keeps its unread entries in any case, and,
    within `max_bytes`, those that are in no checkpoint yet.
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
        """Take over a log that ends at `last` and holds `size` bytes.

        Its entries are unknown: they are assumed to be spread evenly over the window.
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

        `read`: the last id that the worker has taken in, if any.
        `durable`: the last one that is in a checkpoint; None if there is none.
        """
        by_age = LogId(max(0, new.ms - self._window_ms))
        by_size = BEGINNING
        excess = self._bytes + size + ENTRY_OVERHEAD - self._max_bytes
        for id, entry_bytes in self._entries:
            if excess <= 0:
                break
            excess -= entry_bytes
            by_size = _after(id)
        if self._whole:
            by_size = min(by_size, _after(read))
            by_age = min(by_age, _after(read), _after(read if durable is None else durable))
        return min(max(by_age, by_size), new)

    def appended(self, id: LogId, size: int, min_id: LogId) -> None:
        """An append succeeded, with this trimming."""
        while self._entries and self._entries[0][0] < min_id:
            self._bytes -= self._entries.popleft()[1]
        self._entries.append((id, size + ENTRY_OVERHEAD))
        self._bytes += size + ENTRY_OVERHEAD

    def unread(self, read: LogId | None) -> int:
        """Bytes after the reader's position; all of them if there is no reader."""
        position = BEGINNING if read is None else read
        return sum(size for id, size in self._entries if id > position)


def _after(id: LogId | None) -> LogId:
    """The lowest id after an entry; after None, the lowest id of all."""
    position = BEGINNING if id is None else id
    return LogId(position.ms, position.seq + 1)
