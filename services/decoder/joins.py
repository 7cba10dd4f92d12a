"""Joins: what lies between one segment of a playlist and the next that was fetched. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from services.decoder.playlist import Playlist, Segment

MAX_GONE = 1000
"""Segments that are listed no more whose length is remembered."""


@dataclass(frozen=True, slots=True)
class Join:
    """The beginning of a segment.

    `missing_s`: how much is missing before it. `cut`: whether the one before it breaks off.
    `anew`: whether the playlist says that its timestamps may be others.
    """

    missing_s: float = 0.0
    cut: bool = False
    anew: bool = False

    @property
    def whole(self) -> bool:
        """Whether nothing is missing."""
        return self.missing_s == 0 and not self.cut


class Joins:
    """Follows which segments of a playlist are fetched, and where in the bytes each begins.

    The library reads ahead: a packet belongs to the segment that its bytes are of.
    """

    def __init__(self) -> None:
        self._segments: dict[tuple[str, int], list[Segment]] = {}
        self._durations: dict[int, float] = {}
        self._last: int | None = None
        self._bytes = 0
        self._cut = False
        self._failed = False
        self._ahead: deque[tuple[int, Join]] = deque()

    def listed(self, playlist: Playlist) -> None:
        """A new version of the playlist came."""
        self._segments = {}
        for segment in playlist.segments:
            self._segments.setdefault((segment.url, segment.offset), []).append(segment)
        durations = {segment.number: segment.duration_s for segment in playlist.segments}
        last = -1 if self._last is None else self._last
        kept = {n: s for n, s in self._durations.items() if n > last and n not in durations}
        self._durations = dict(list(kept.items())[-MAX_GONE:]) | durations

    def opened(self, url: str, offset: int, *, there: bool) -> None:
        """A file is read. `there`: whether it could be fetched. Only segments count."""
        segment = self._found(url, offset)
        if segment is None:
            return
        if not there:
            self._failed = True
            return
        if self._last is not None:
            skipped = self._failed or segment.number > self._last + 1
            missing_s = self._length_s(self._last + 1, segment.number) if skipped else 0.0
            self._ahead.append((self._bytes, Join(missing_s, self._cut, segment.begins_anew)))
        self._last, self._failed, self._cut = segment.number, False, False

    def read(self, count: int) -> None:
        """So many bytes were handed over."""
        self._bytes += count

    def broke_off(self) -> None:
        """The segment that is being read ends too soon."""
        self._cut = True

    def sought(self) -> None:
        """Reading goes on elsewhere, and bytes are counted anew."""
        self._bytes, self._last = 0, None
        self._cut = self._failed = False
        self._ahead.clear()

    def before(self, position: int | None) -> Join | None:
        """The join between the packet that was asked about last and this one, if there is one.

        `position`: where its bytes begin; None if that is not known.
        """
        join: Join | None = None
        while self._ahead and position is not None and position >= self._ahead[0][0]:
            _, found = self._ahead.popleft()
            before = join or Join()
            join = Join(
                before.missing_s + found.missing_s,
                before.cut or found.cut,
                before.anew or found.anew,
            )
        return join

    def _found(self, url: str, offset: int) -> Segment | None:
        """The entry for a file. One file may be listed several times."""
        listed = self._segments.get((url, offset))
        if not listed:
            return None
        last = -1 if self._last is None else self._last
        return next((one for one in listed if one.number > last), listed[-1])

    def _length_s(self, first: int, end: int) -> float:
        """How long the segments from `first` up to `end` are."""
        known = (
            [s for n in range(first, end) if (s := self._durations.get(n)) is not None]
            if (end - first <= len(self._durations))
            else []
        )
        rest = end - first - len(known)
        usual_s = max(self._durations.values(), default=0.0)
        return max(sum(known) + rest * usual_s, 0.001)
