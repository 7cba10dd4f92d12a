"""What a memory can know about, in capture time: which frames were seen, and which are held."""

from __future__ import annotations

import bisect
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from hermes.memory.frame_times import FrameTimes, Kind, Known, Piece

MAX_GAPS = 64
MAX_FORGOTTEN = 64

NEWEST = 4
"""The stamps of so many of the newest frames are kept, whatever is held of them."""

LOST = "memory_lost"
"""The reason of the gap that a lost memory leaves."""

Stretch = tuple[int, int]
"""Start and end, in ms."""


@dataclass(frozen=True, slots=True)
class FrameStamp:
    """The capture time of a frame, and its time within its source if that is a file. In ms.

    `gap`: why frames are missing before it, in one word; "" if none are, or it is not known.
    """

    capture_ms: int
    media_ms: int | None = None
    gap: str = ""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a memory can know about. Times are in ms since the epoch, None while nothing is held.

    `start_ms`, `end_ms`: the span from the oldest frame of which a token is
    held to the newest. `media_start_ms`, `media_end_ms`: the same within the
    source, if that is a file. `frames`, `frames_seen`: how many are held, at
    least in part, and how many were seen.
    `gaps`: stretches from which no frame was seen. `gap_reasons`: why, a word for each, or "".
    `whole_since_ms`: when the first of the newest frames that every layer
    holds whole was captured; None if not even the newest is held whole.
    `forgotten`: stretches whose frames were seen but have no token left in any
    layer. Each runs from the last held frame before it to the first
    held frame after it, without the gaps. The first may start before the span:
    it then starts with the first frame ever seen, and includes gaps. Only the
    longest `MAX_FORGOTTEN` are reported, in order.
    All other frames are thinned: some of their tokens are held.
    `since_ms`: when the first frame that this memory took in was captured.
    `lost`: an earlier memory of the same camera was lost; ends with the first
    frame of this one, and is the first of `gaps`. None if nothing was lost.
    """

    start_ms: int | None = None
    end_ms: int | None = None
    gaps: tuple[Stretch, ...] = ()
    media_start_ms: int | None = None
    media_end_ms: int | None = None
    frames: int = 0
    frames_seen: int = 0
    whole_since_ms: int | None = None
    forgotten: tuple[Stretch, ...] = ()
    since_ms: int | None = None
    lost: Stretch | None = None
    gap_reasons: tuple[str, ...] = ()

    def and_present(self, stamp: FrameStamp, *, after_gap: bool) -> Coverage:
        """The coverage of an answer that sees one more frame whole, which is not in memory yet."""
        first, now = self.end_ms is None, stamp.capture_ms
        gaps, reasons = self.gaps, self.gap_reasons
        if after_gap and self.end_ms is not None:
            gaps, reasons = (*gaps, (self.end_ms, now)), (*reasons, stamp.gap)
        return replace(
            self,
            start_ms=now if first else self.start_ms,
            end_ms=now,
            gaps=gaps,
            gap_reasons=reasons,
            media_start_ms=stamp.media_ms if first else self.media_start_ms,
            media_end_ms=stamp.media_ms,
            frames=self.frames + 1,
            frames_seen=self.frames_seen + 1,
            whole_since_ms=now if self.whole_since_ms is None else self.whole_since_ms,
            since_ms=now if self.since_ms is None else self.since_ms,
        )


class FrameTable:
    """The stamps and sizes of the frames that are held, and the gaps between them.

    And the stamps of a few frames that are not: of the newest, and of those that took
    the place of a held token in anew.
    """

    def __init__(
        self,
        stamps: Iterable[tuple[int, FrameStamp]] = (),
        gaps: Iterable[Stretch] = (),
        *,
        taken: Mapping[int, int] | None = None,
        first_ms: int | None = None,
        last_ms: int | None = None,
        seen: int = 0,
        whole_from: int = 0,
        lost: Stretch | None = None,
        gap_reasons: Mapping[Stretch, str] | None = None,
        beside: Iterable[tuple[int, FrameStamp]] = (),
    ) -> None:
        """Empty, or as another table was that had these. `whole_from`: as in `retain`."""
        self._stamps: OrderedDict[int, FrameStamp] = OrderedDict(stamps)
        self._numbered = list(self._stamps.items())
        self._left: Mapping[int, int] = {}
        self._beside = dict(beside)
        self._times: dict[bool, FrameTimes] = {}  # what was made for spans, until the next change
        self._taken = dict(taken or {})
        self._gaps: list[Stretch] = list(gaps)
        self._reasons = dict(gap_reasons or {})
        self._first_ms = first_ms
        self._last_ms = last_ms
        self._whole_from = whole_from
        self._forgotten: tuple[Stretch, ...] | None = None  # None: `coverage` must find them
        self.seen = seen
        self.lost = lost
        """From the last known frame of a lost earlier memory to the first frame of this one."""
        self._lost_since_ms: int | None = None

    def mark_lost(self, since_ms: int) -> None:
        """Note that an earlier memory was lost whose last known frame was captured at `since_ms`.

        Takes effect with the first frame; no effect after it.
        """
        self._lost_since_ms = since_ms

    def add(self, stamp: FrameStamp, *, after_gap: bool, tokens: int = 0) -> int:
        """Add the next frame, which is held whole, and return its number.

        `tokens`: how many were taken in.
        """
        number = self.seen
        if self._last_ms is None:
            self._first_ms = stamp.capture_ms
            if self._lost_since_ms is not None:
                self.lost = (min(self._lost_since_ms, stamp.capture_ms), stamp.capture_ms)
        elif after_gap:
            gap = (self._last_ms, stamp.capture_ms)
            self._gaps.append(gap)
            self._reasons[gap] = stamp.gap
            self._keep_gaps(self._gaps[-MAX_GAPS:])
        if number - 1 not in self._stamps:
            self._forgotten = None  # the last stretch ends here
        self._times.clear()
        self._stamps[number] = kept = replace(stamp, gap="")
        self._numbered.append((number, kept))
        self._taken[number] = tokens
        self._last_ms = stamp.capture_ms
        self.seen += 1
        return number

    def retain(
        self,
        held: Iterable[int],
        whole_from: int,
        left: Mapping[int, int] | None = None,
        ends: Iterable[int] = (),
    ) -> None:
        """Forget every frame that is not in `held`, and the gaps before the oldest.

        `whole_from`: the first frame from which on no picture lost anything; `seen`
        if the newest did. It never goes back. `left`: how many tokens of each held
        frame are left, over all layers. `ends`: frames that took the place of a held
        token in anew; numbers that are no frame's are ignored.
        """
        wanted, known = set(held), {**self._beside, **self._stamps}
        beside = {*ends, *range(self.seen - NEWEST, self.seen)} - wanted
        self._beside = {number: known[number] for number in sorted(beside) if number in known}
        self._times.clear()
        for number in [number for number in self._stamps if number not in wanted]:
            del self._stamps[number]
            self._taken.pop(number, None)
        self._numbered, self._left = list(self._stamps.items()), left or {}
        if self._stamps:
            oldest = next(iter(self._stamps.values())).capture_ms
            self._keep_gaps([gap for gap in self._gaps if gap[1] > oldest])
        self._whole_from, self._forgotten = max(whole_from, self._whole_from), None

    def _keep_gaps(self, gaps: list[Stretch]) -> None:
        self._gaps = gaps
        self._reasons = {gap: self._reasons.get(gap, "") for gap in gaps}

    def stamps(self) -> list[tuple[int, FrameStamp]]:
        """Number and stamp of every frame that is held, in order."""
        return list(self._stamps.items())

    @property
    def numbered(self) -> Sequence[tuple[int, FrameStamp]]:
        """As `stamps`, without a copy: grows with each frame, and is another after `retain`."""
        return self._numbered

    @property
    def left(self) -> Mapping[int, int]:
        """How many tokens of each frame the last compression left, by number. Never changed."""
        return self._left

    def beside(self) -> list[tuple[int, FrameStamp]]:
        """Number and stamp of frames that are known though none of their tokens is held."""
        return list(self._beside.items())

    def stamp_of(self, number: int) -> FrameStamp | None:
        """The stamp of a frame, if it is known."""
        return self._stamps.get(number) or self._beside.get(number)

    def times(self, *, media: bool) -> FrameTimes:
        """The frames in time, for spans. `media`: in the time of their file."""
        if media not in self._times:
            held, beside = (
                [
                    Known(number, stamp.capture_ms, stamp.media_ms if media else stamp.capture_ms)
                    for number, stamp in some.items()
                ]
                for some in (self._stamps, self._beside)
            )
            self._times[media] = FrameTimes(held, beside, list(self._pieces()))
        return self._times[media]

    def taken(self) -> Mapping[int, int]:
        """How many tokens each frame that is held was taken in with, by number."""
        return self._taken

    @property
    def whole_from(self) -> int:
        """The first frame from which on no picture lost anything."""
        return self._whole_from

    def gaps(self) -> list[Stretch]:
        """Each from the last frame before a gap to the first after it, in order."""
        return list(self._gaps)

    def gap_reasons(self) -> list[str]:
        """Why each of `gaps` is there, in one word; "" if it is not known."""
        return [self._reasons.get(gap, "") for gap in self._gaps]

    @property
    def first_ms(self) -> int | None:
        """When the first frame of all was captured."""
        return self._first_ms

    @property
    def last_ms(self) -> int | None:
        """When the newest frame of all was captured."""
        return self._last_ms

    def coverage(self) -> Coverage:
        """What is held now."""
        if not self._stamps:
            return Coverage(frames_seen=self.seen, since_ms=self._first_ms, lost=self.lost)
        if self._forgotten is None:  # at most once for each compression
            self._forgotten = _longest(list(self._lost()), MAX_FORGOTTEN)
        first = next(iter(self._stamps.values()))
        last = next(reversed(self._stamps.values()))
        whole = self._stamps.get(self._whole_from)
        return Coverage(
            start_ms=first.capture_ms,
            end_ms=last.capture_ms,
            gaps=tuple(self._gaps) if self.lost is None else (self.lost, *self._gaps),
            media_start_ms=first.media_ms,
            media_end_ms=last.media_ms,
            frames=len(self._stamps),
            frames_seen=self.seen,
            whole_since_ms=None if whole is None else whole.capture_ms,
            forgotten=self._forgotten,
            since_ms=self._first_ms,
            lost=self.lost,
            gap_reasons=(*([] if self.lost is None else [LOST]), *self.gap_reasons()),
        )

    def _pieces(self) -> Iterator[Piece]:
        """The time from the first frame to the newest, in order, piece by piece."""
        if self._first_ms is None or self._last_ms is None:
            return
        before, since = -1, self._first_ms
        for number, stamp in self._stamps.items():
            yield from self._between(since, stamp.capture_ms, before, number)
            before, since = number, stamp.capture_ms
        if before + 1 < self.seen:
            yield from self._between(since, self._last_ms, before, self.seen)

    def _between(self, start: int, end: int, before: int, number: int) -> Iterator[Piece]:
        """From one held frame, or the first of all, to the next, or the newest of all."""
        if number > before + 1:
            kind: Kind = "forgotten"
        else:
            kind = "whole" if before >= self._whole_from else "thinned"
        for gap in self._gaps[bisect.bisect_left(self._gaps, (start, start)) :]:
            if gap[1] > end:
                break
            yield Piece(start, gap[0], kind)
            yield Piece(*gap, "unseen")
            start = gap[1]
        yield Piece(start, end, kind)

    def _lost(self) -> Iterator[Stretch]:
        """Stretches whose frames were seen but are not held."""
        if self._first_ms is None or self._last_ms is None:
            return
        before, since = -1, self._first_ms
        for number, stamp in self._stamps.items():
            if number > before + 1:
                yield from self._seen_within(since, stamp.capture_ms)
            before, since = number, stamp.capture_ms
        if before + 1 < self.seen:
            yield from self._seen_within(since, self._last_ms, last=True)

    def _seen_within(self, start: int, end: int, *, last: bool = False) -> Iterator[Stretch]:
        """A stretch without the gaps inside it. `last`: the frame at its end was lost, too."""
        inner = [gap for gap in self._gaps if start <= gap[0] and gap[1] <= end]
        edges = [start, *(edge for gap in inner for edge in gap), end]
        for at, piece in enumerate(zip(edges[::2], edges[1::2], strict=True)):
            # Nothing is left between a held frame and a gap that begins or ends with it.
            lost = 0 < at < len(inner) or (last and at == len(inner))
            if piece[0] < piece[1] or (lost and piece[0] == piece[1]):
                yield piece


def _longest(stretches: Sequence[Stretch], count: int) -> tuple[Stretch, ...]:
    """The `count` longest, in order; of equally long ones the newer."""
    lengths = [(end - start, at) for at, (start, end) in enumerate(stretches)]
    return tuple(stretches[at] for at in sorted(at for _, at in sorted(lengths)[-count:]))
