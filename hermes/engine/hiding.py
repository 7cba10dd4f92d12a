"""Which frames an answer rests on, found by hiding frames and reading it again. Plain Python.

To hide one frame seldom tells: what it shows, its neighbours show as well. So all frames are
hidden but a segment of them. If the answer rests on something that was seen, it is likely
from the segments that show it, and unlikely from the others. "No, there was none" is
likely from nearly all, and with all frames hidden, too: nothing is evidence for it.

But a segment alone can mislead. Asked for the colour of an object that it does not show, a model
names the colour of another one. So the segments from which the answer is unlikely are then read
together: they are the background. If the answer is unlikely from them, too, it rests on what
they do not show. The others, down to single frames, are each shown beside that background, where
what they show has to stand out against all else that was seen.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

SEGMENTS = 8
"""The frames are first cut into so many segments."""

PARTS = 10
"""And the likeliest segment into so many parts, at most."""

CANDIDATES = 2
"""So many of the likeliest segments are shown beside the background."""

LEAST_FALL = 3.0
"""By so much at least the log-odds of an answer fall where only the background is shown.
Measured on the demo's worlds (docs/memory-quality.md), as are those that follow.
"""

LEAST_FALL_OF_FEW = 4.0
"""The same for a background of fewer segments, which lacks more than what the answer rests on."""

EVEN = 0.0
"""And to less than these log-odds: an answer that is likelier than all others together does not
need what is hidden.
"""

LEAST_RISE = 3.0
"""By so much the log-odds rise again beside the background with the segment that is evidence."""

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
        segments = cut(self._frames, SEGMENTS)
        alone = [self._all_but(segment) for segment in segments]
        self._logprob, unseen, *taken = yield [(), self._frames, *alone]
        if len(segments) < 2 or odds(unseen) > EVEN:
            return
        found = sorted(zip(map(odds, taken), segments, strict=True))
        unlikely, background, others = yield from self._background(found)
        if not others:
            return
        ranked = yield from self._beside(background, others[-CANDIDATES:])
        likeliest, best = ranked[0]
        if likeliest < unlikely + LEAST_RISE:
            return
        named = [best]
        while len(best) > 1:
            ranked = yield from self._beside(background, cut(best, PARTS))
            likeliest, best = ranked[0]
            least = (likeliest + unlikely) / 2
            named = [best, *(part for value, part in ranked[1:] if value > least)]
        single = [frame for frame, *_ in named][: self._wanted]
        without = yield [(frame,) for frame in single]
        self._named = tuple(zip(single, without, strict=True))

    def _background(
        self, found: Sequence[tuple[float, Hidden]]
    ) -> Generator[list[Hidden], list[float], tuple[float, Hidden, list[Hidden]]]:
        """The frames from which the answer is unlikely, its log-odds from them, and the segments
        that are not among them; none of these if there is no background.

        `found`: the log-odds from each segment alone, the least first.
        """
        known = odds(self._logprob)
        quarter, half = max(1, len(found) // 4), len(found) // 2
        apart = sum(value <= min(EVEN, known) for value, _ in found)
        if apart < quarter:
            return known, (), []
        # An answer may be unlikely from a segment that shows its object among others. So the half
        # may show it; then those from which it is unlikely by themselves are the background.
        few = apart if apart < half else quarter
        sizes = {few: LEAST_FALL_OF_FEW} | {half: LEAST_FALL}
        for count in sorted(sizes, reverse=True):
            background = tuple(frame for _, segment in found[:count] for frame in segment)
            (taken,) = yield [self._all_but(background)]
            if odds(taken) < min(EVEN, known - sizes[count]):
                return odds(taken), background, [segment for _, segment in found[count:]]
        return known, (), []

    def _beside(
        self, background: Hidden, parts: Sequence[Hidden]
    ) -> Generator[list[Hidden], list[float], list[tuple[float, Hidden]]]:
        """The log-odds with each part shown beside the background, the likeliest first."""
        taken = yield [self._all_but((*background, *part)) for part in parts]
        return sorted(zip(map(odds, taken), parts, strict=True), reverse=True)

    def _all_but(self, shown: Iterable[int]) -> Hidden:
        """All frames but these."""
        shown = set(shown)
        return tuple(frame for frame in self._frames if frame not in shown)


def cut(frames: Sequence[int], most: int) -> list[Hidden]:
    """The frames in `most` runs of nearly equal length, or fewer if there are fewer frames."""
    count = min(most, len(frames))
    edges = [len(frames) * at // max(1, count) for at in range(count + 1)]
    return [tuple(frames[start:end]) for start, end in pairwise(edges)]


def odds(logprob: float) -> float:
    """The logarithm of the odds. Near 1, probabilities hardly differ where odds do."""
    logprob = min(logprob, -1e-6)
    return logprob - math.log(-math.expm1(logprob))
