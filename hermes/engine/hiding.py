"""Which frames an answer rests on, found by hiding frames and reading it again. Plain Python.

To hide one frame seldom tells: what it shows, its neighbours show as well. So all frames are
hidden but a segment of them. If the answer rests on something that was seen, it is likely
from the segments that show it, and unlikely from the others. "No, there was none" is
likely from nearly all: nothing is evidence for it. The segment from which the answer is
likeliest is then searched in the same way, down to single frames.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import pairwise

SEGMENTS = 8
"""The frames are first cut into so many segments."""

PARTS = 10
"""And the likeliest segment into so many parts, at most."""

LEAST_FALL = 3.0
"""By so much the log-odds of an answer are below even, or below what they were, where half of the
segments do not show what it rests on. Measured on the demo's worlds (docs/memory-quality.md).
"""

LEAST_RISE = 4.0
"""By so much the log-odds from the likeliest segment are above those from that half."""

Hidden = tuple[int, ...]
"""The numbers of frames that are hidden together."""


@dataclass(frozen=True, slots=True)
class Found:
    """`frames`: number of each frame that the answer rests on, that from which alone it is
    likeliest first, and the answer's log-probability with that frame alone hidden. The
    others: as in `Evidence`.
    """

    frames: tuple[tuple[int, float], ...]
    logprob: float
    largest_fall: float
    readings: int


class Hiding:
    """A search. Read the answer with each of `next` hidden, and tell it what was `took`.

    It may be told of the first few alone. It is over once there is no `next`.
    """

    def __init__(self, frames: Sequence[int], wanted: int) -> None:
        """`frames`: the numbers of those that the answer could see, in order."""
        self._frames = tuple(frames)
        self._wanted = wanted
        self._logprob = 0.0
        self._lowest = 0.0
        self._readings = 0
        self._taken: list[float] = []
        self._named: tuple[tuple[int, float], ...] = ()
        self._steps = self._search()
        self.next: list[Hidden] = next(self._steps)
        """What to hide in the next readings."""

    def took(self, logprobs: Sequence[float]) -> None:
        """Take the answer's log-probability with each of the first of `next` hidden."""
        self._taken += logprobs
        self._readings += len(logprobs)
        self._lowest = min(self._lowest, *logprobs)
        del self.next[: len(logprobs)]
        if not self.next:
            taken, self._taken = self._taken, []
            try:
                self.next = self._steps.send(taken)
            except StopIteration:
                self.next = []

    @property
    def found(self) -> Found:
        """What was found so far."""
        fall = max(0.0, self._logprob - self._lowest)
        return Found(self._named, self._logprob, fall, self._readings)

    def _search(self) -> Generator[list[Hidden], list[float], None]:
        frames = self._frames
        segments = cut(frames, SEGMENTS)
        self._logprob, *alone = yield [(), *(self._without(segment) for segment in segments)]
        if len(segments) < 2:
            return
        found = sorted(zip(map(odds, alone), segments, strict=True))
        half = found[: (len(found) + 1) // 2]
        unlikely = sum(value for value, _ in half) / len(half)
        likeliest, best = found[-1]
        even = min(0.0, odds(self._logprob))
        if unlikely > even - LEAST_FALL or likeliest < unlikely + LEAST_RISE:
            return
        named = [best]
        while len(best) > 1:
            parts = cut(best, PARTS)
            alone = yield [self._without(part) for part in parts]
            found = sorted(zip(map(odds, alone), parts, strict=True), reverse=True)
            best = found[0][1]
            named = [best, *(part for value, part in found[1:] if value > unlikely)]
        single = [frame for frame, *_ in named][: self._wanted]
        without = yield [(frame,) for frame in single]
        self._named = tuple(zip(single, without, strict=True))

    def _without(self, shown: Hidden) -> Hidden:
        """All frames but these."""
        return tuple(frame for frame in self._frames if not shown[0] <= frame <= shown[-1])


def cut(frames: Sequence[int], most: int) -> list[Hidden]:
    """The frames in `most` runs of nearly equal length, or fewer if there are fewer frames."""
    count = min(most, len(frames))
    edges = [len(frames) * at // max(1, count) for at in range(count + 1)]
    return [tuple(frames[start:end]) for start, end in pairwise(edges)]


def odds(logprob: float) -> float:
    """The logarithm of the odds. Near 1, probabilities hardly differ where odds do."""
    logprob = min(logprob, -1e-6)
    return logprob - math.log(-math.expm1(logprob))
