"""The time axis and its ticks. Times are in ms since the epoch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hermes.contents import MemoryContents

_S, _MIN, _H, _DAY = 1_000, 60_000, 3_600_000, 86_400_000
_STEPS = [
    *(_S // 10 * n for n in (1, 2, 5)),
    *(_S * n for n in (1, 2, 5, 10, 15, 30)),
    *(_MIN * n for n in (1, 2, 5, 10, 15, 30)),
    *(_H * n for n in (1, 2, 3, 6, 12)),
    *(_DAY * n for n in (1, 2, 7, 14, 30, 90, 365)),
]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DEFAULT_FRAME_MS = 1_000.0


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """Linear from `start_ms` at `left` to `end_ms` at `left + width`.

    `media`: times count from the start of a file.
    """

    start_ms: float
    end_ms: float
    left: float
    width: float
    media: bool = False

    def x(self, ms: float) -> float:
        """The x coordinate of a moment, clipped to the axis."""
        share = (ms - self.start_ms) / (self.end_ms - self.start_ms)
        return self.left + self.width * min(1.0, max(0.0, share))

    def ticks(self, most: int = 9) -> list[tuple[float, str]]:
        """Round moments and their labels, in UTC or of the file; not more than about `most`."""
        span = self.end_ms - self.start_ms
        step = next((s for s in _STEPS if span / s <= most), _STEPS[-1])
        first = -(-int(self.start_ms) // step) * step
        moments = range(first, int(self.end_ms) + 1, step)[: 4 * most]
        label = _position if self.media else _label
        return [(self.x(ms), label(ms, step)) for ms in moments]

    @property
    def name(self) -> str:
        """What the axis shows."""
        if self.media:
            return "in the file"
        date = day(self.start_ms)
        return f"{date} UTC" if date else "captured at"


def frame_ms(contents: MemoryContents) -> float:
    """The time from one frame to the next: the median over the held ones."""
    held = list(contents.times.items())
    steps = sorted(
        (later - earlier) / (after - before)
        for (before, earlier), (after, later) in pairwise(held)
        if not any(start < later and end > earlier for start, end in contents.gaps)
    )
    return max(1.0, steps[len(steps) // 2]) if steps else DEFAULT_FRAME_MS


def frame_spans(contents: MemoryContents) -> dict[int, tuple[float, float]]:
    """The time that each held frame covers: up to the next frame, if that one is held."""
    each = frame_ms(contents)
    gap_starts = {start for start, _ in contents.gaps}
    spans = {}
    for number, time in contents.times.items():
        after = contents.times.get(number + 1)
        end = time + each if after is None or time in gap_starts else after
        spans[number] = (float(time), float(end))
    return spans


def day(ms: float) -> str:
    """The date in UTC; empty for times that count from the start of a file."""
    return "" if abs(ms) < _DAY else f"{_EPOCH + timedelta(milliseconds=ms):%Y-%m-%d}"


def duration(ms: float) -> str:
    """A stretch of time, to two units."""
    seconds = round(ms / _S)
    if seconds < 10:
        return f"{ms / _S:.1f} s"
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3_600:
        return f"{seconds // 60} min {seconds % 60} s"
    if seconds < 86_400:
        return f"{seconds // 3_600} h {seconds % 3_600 // 60} min"
    return f"{seconds // 86_400} d {seconds % 86_400 // 3_600} h"


def _label(ms: float, step: int) -> str:
    moment = _EPOCH + timedelta(milliseconds=ms)
    if step >= _DAY:
        return f"{moment:%m-%d}"
    if step >= _MIN:
        return f"{moment:%H:%M}"
    return f"{moment:%H:%M:%S}" + ("" if step >= _S else f".{moment.microsecond // 100_000}")


def _position(ms: float, step: int) -> str:
    """`0:30`, `1:02:30`; with tenths where ticks are closer than a second."""
    seconds = int(ms // _S)
    hours, minutes = seconds // 3_600, seconds // 60 % 60
    whole = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{whole}:{seconds % 60:02}" + ("" if step >= _S else f".{int(ms % _S) // 100}")
