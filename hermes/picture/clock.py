"""The clock that a picture's time axis shows: capture time, or the time within a file."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from hermes.contents import MemoryContents


def on_media_time(contents: MemoryContents) -> MemoryContents:
    """The contents with the times and gaps of their file, if all their frames lie in one.

    When frames of a file were captured says how fast it was read, and no more.
    A file that began again has no time that says when a frame came: its frames
    keep their capture times. `media` is empty then.
    """
    if not contents.media:
        return contents
    media = list(contents.media.values())
    if list(contents.media) != list(contents.times) or any(b <= a for a, b in pairwise(media)):
        return replace(contents, media={})
    captured = list(contents.times.values())
    gaps = tuple(
        (_between(captured, media, start), _between(captured, media, end))
        for start, end in contents.gaps
    )
    return replace(contents, times=contents.media, gaps=gaps)


def _between(captured: Sequence[int], media: Sequence[int], moment: int) -> int:
    """Where in the file a moment lies: in proportion between the two nearest frames."""
    after = bisect_right(captured, moment)
    if after in (0, len(captured)):
        return media[0 if after == 0 else -1]
    share = (moment - captured[after - 1]) / (captured[after] - captured[after - 1])
    return round(media[after - 1] + share * (media[after] - media[after - 1]))
