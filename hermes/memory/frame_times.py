"""The frames of a memory in time: which of them a span holds, and how much of it is covered.

Made once for a memory, and asked about many spans: each answer takes a few bisections.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise
from typing import Literal, NamedTuple

from hermes.memory.span_coverage import SpanCoverage

Kind = Literal["whole", "thinned", "forgotten", "unseen"]


class Known(NamedTuple):
    """A frame whose time is known. `at`: that in which spans are asked about, if it has one."""

    number: int
    capture_ms: int
    at: int | None


class Piece(NamedTuple):
    """A piece of time of one kind, in ms."""

    start: int
    end: int
    kind: Kind


class Extra(NamedTuple):
    """A frame that comes after all others and is not in memory. `at`: as in `Known`."""

    at: int
    after_gap: bool


@dataclass(frozen=True, slots=True)
class Within:
    """What a span holds of a memory's frames.

    `runs`: first and last number of held frames that follow one another in memory.
    `before`: one past the newest frame of which it is known that it came at or before
    the span's start; 0 if the span has no start. `watched`: whether frames were being
    seen at any time of the span. `coverage`: as for a span of capture time.
    """

    runs: tuple[tuple[int, int], ...]
    before: int
    watched: bool
    coverage: SpanCoverage


class FrameTimes:
    """Frames in the order of their numbers, and what is known of the time between them."""

    def __init__(
        self, held: Sequence[Known], beside: Sequence[Known], pieces: Sequence[Piece]
    ) -> None:
        """`held`: frames of which tokens are held. `beside`: others whose times are known.

        `pieces`: the capture time from the first frame of all to the newest, in order.
        """
        timed = [(frame.number, frame.at) for frame in held if frame.at is not None]
        self._numbers = [number for number, _ in timed]
        self._times = [at for _, at in timed]
        self._ordered = _ordered(self._times)
        known = sorted(frame for frame in (*held, *beside) if frame.at is not None)
        self._known_numbers = [frame.number for frame in known]
        self._known_times = [frame.at for frame in known if frame.at is not None]
        self._known_ordered = _ordered(self._known_times)
        self._points = [(frame.capture_ms, frame.at) for frame in known if frame.at is not None]
        self.pieces = tuple(_moved(pieces, self._points))
        """The time from the first frame of all to the newest, in that in which spans are asked."""
        self._starts = [piece.start for piece in self.pieces]
        self._sums = {
            kind: [0, *accumulate(p.end - p.start if p.kind == kind else 0 for p in self.pieces)]
            for kind in ("whole", "thinned", "forgotten")
        }

    def within(self, start: int | None, end: int | None, extra: Extra | None = None) -> Within:
        """What is held of a span, both ends included; None: open at that end."""
        edges = [self.pieces[0].start, self.pieces[-1].end] if self.pieces else []
        last = edges[-1] if edges else None
        edges += [] if extra is None else [extra.at]
        edges += [edge for edge in (start, end) if edge is not None]
        begins = min(edges, default=0) if start is None else start
        ends = max(edges, default=0) if end is None else end
        runs = tuple(self._runs(begins, ends))
        parts = {
            f"{kind}_ms": self._up_to(ends, sums) - self._up_to(begins, sums)
            for kind, sums in self._sums.items()
        }
        frames, watched = self.count(runs), self._watched(begins, ends)
        if extra is not None:
            frames += (inside := begins <= extra.at <= ends)
            newer = 0
            if last is not None and not extra.after_gap:
                newer = max(0, min(ends, extra.at) - max(begins, last))
            parts["whole_ms"] += newer
            watched = watched or inside or newer > 0
        unseen = ends - begins - sum(parts.values())
        return Within(
            runs,
            0 if start is None else self._before(start),
            watched,
            SpanCoverage(begins, ends, frames=frames, unseen_ms=unseen, **parts),
        )

    def capture_of(self, time: int) -> int:
        """The capture time at which a time was, as far as it is known from the frames."""
        if not self._points:
            return time
        at = max(0, bisect.bisect_right(self._known_times, time) - 1)
        return _place(time, [(there, capture) for capture, there in self._points[at : at + 2]])

    def _runs(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        if self._ordered:
            first = bisect.bisect_left(self._times, start)
            past = bisect.bisect_right(self._times, end)
            if first < past:
                yield self._numbers[first], self._numbers[past - 1]
            return
        frames = zip(self._times, self._numbers, strict=True)
        for inside, run in groupby(frames, lambda frame: start <= frame[0] <= end):
            if inside:
                numbers = [number for _, number in run]
                yield numbers[0], numbers[-1]

    def count(self, runs: Sequence[tuple[int, int]]) -> int:
        """How many frames are held of some runs."""
        return sum(
            bisect.bisect_right(self._numbers, last) - bisect.bisect_left(self._numbers, first)
            for first, last in runs
        )

    def _before(self, start: int) -> int:
        if self._known_ordered:
            past = bisect.bisect_right(self._known_times, start)
        else:
            earlier = (at for at, time in enumerate(self._known_times, 1) if time <= start)
            past = max(earlier, default=0)
        return self._known_numbers[past - 1] + 1 if past else 0

    def _up_to(self, time: int, sums: Sequence[int]) -> int:
        """How much of a kind there is before `time`."""
        at = bisect.bisect_right(self._starts, time) - 1
        if at < 0:
            return 0
        piece, own = self.pieces[at], sums[at + 1] - sums[at]
        return sums[at] + (min(time, piece.end) - piece.start if own else 0)

    def _watched(self, start: int, end: int) -> bool:
        past = bisect.bisect_right(self._starts, end)
        for at in range(past - 1, -1, -1):
            piece = self.pieces[at]
            if piece.end < start:
                return False
            if piece.kind != "unseen":
                return True
        return False


def _ordered(times: Sequence[int]) -> bool:
    return all(one <= other for one, other in pairwise(times))


def _moved(pieces: Sequence[Piece], points: Sequence[tuple[int, int]]) -> Iterator[Piece]:
    """The pieces in the time of `points` (capture time, that time); they never run backwards."""
    if not points:
        return
    at, reached = 0, None
    for piece in pieces:
        edges = []
        for edge in (piece.start, piece.end):
            while at + 1 < len(points) and points[at + 1][0] <= edge:
                at += 1
            edges.append(_place(edge, points[at : at + 2]))
        start = edges[0] if reached is None else max(edges[0], reached)
        reached = max(start, edges[1])
        yield Piece(start, reached, piece.kind)


def _place(time: int, points: Sequence[tuple[int, int]]) -> int:
    """A time in another, by the two points around it, or by the nearest one."""
    (since, start), (until, end) = points[0], points[-1]
    if time < since or until <= since:
        return start + time - since
    return start + round((time - since) * (end - start) / (until - since))
