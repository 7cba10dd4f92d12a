"""How much of a span of time a memory covers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SpanCoverage:
    """How much of the span that was asked about is covered. All times are in ms.

    `start_ms`, `end_ms`: the span in capture time, both ends included. `frames`: how
    many of its frames are held, at least in part. The four parts add up to its length:
    `whole_ms`: all of each frame is held. `thinned_ms`: parts of frames are held.
    `forgotten_ms`: frames were seen, and nothing of them is held any more.
    `unseen_ms`: no frame was seen.
    `media_start_ms`, `media_end_ms`: the span within the file, if it was asked about so.
    """

    start_ms: int
    end_ms: int
    frames: int = 0
    whole_ms: int = 0
    thinned_ms: int = 0
    forgotten_ms: int = 0
    unseen_ms: int = 0
    media_start_ms: int | None = None
    media_end_ms: int | None = None
