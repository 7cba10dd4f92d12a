"""What of a memory a span of time holds: which tokens, and how much of the span they cover.

A token is within a span if its frame is. Where a memory takes in only what changed, a
frame is shown by older tokens, too: so a token is also within if it still stood when the
span began, that is if its place had not been taken in anew by then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import torch
from torch import Tensor

from hermes.errors import InvalidInput
from hermes.memory.coverage import LOST, Coverage, FrameStamp, FrameTable, Stretch
from hermes.memory.excerpt import Excerpt
from hermes.memory.frame_layout import FIRST_TEXT, PLACES
from hermes.memory.frame_times import Extra, FrameTimes, Within
from hermes.memory.held import Held
from hermes.memory.present import until
from hermes.memory.rope import Rotary
from hermes.memory.slab import Slab, SlabPool
from hermes.memory.span_coverage import SpanCoverage
from hermes.memory.texts import frame_of_each
from hermes.question import Span

FIELD = "question.span"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A frame that is not in memory yet. `after_gap`: whether there is a gap before it."""

    stamp: FrameStamp
    after_gap: bool = False


def lies_within(span: Span, stamp: FrameStamp | None) -> bool:
    """Whether a frame with this stamp is within a span; not if it has no such time."""
    at = None if stamp is None else _time_of(stamp, span)
    if at is None:
        return False
    return (span.start_ms is None or span.start_ms <= at) and (
        span.end_ms is None or at <= span.end_ms
    )


@dataclass(frozen=True, slots=True)
class View:
    """What a branch sees of a memory: all of it, or a span.

    `coverage`: of what it sees. `span`, `chosen`: for a span, how much of it is covered,
    and the tokens within it and the prefix's: [layers, n] bool.
    """

    coverage: Coverage
    span: SpanCoverage | None = None
    chosen: Tensor | None = None

    def next_position(self, slab: Slab, clock: int) -> int:
        """The position of text that comes next: of a span, right after the newest token within it.

        After positions of frames that it does not see, a model answers worse.
        """
        if self.chosen is None:
            return clock
        seen = slab.positions[:, :, : self.chosen.shape[1]].amax(dim=1)
        return int(torch.where(self.chosen, seen, -1).amax()) + 1

    def source(self, slab: Slab, rotary: Rotary, slabs: SlabPool) -> Slab | Excerpt:
        """What the branch reads: the memory's slab, or copies of what it sees of it."""
        return slab if self.chosen is None else Excerpt(slab, self.chosen, rotary, slabs)


def view(
    held: Held, span: Span | None, waiting: Waiting | None, *, standing: bool, shown: bool
) -> View:
    """What a branch sees of `held`: a span, or all of it.

    `waiting`: a frame that comes after all of memory's. `standing`: frames leave out what has
    not changed. `shown`: frames that are not in memory are shown, too. Raises
    `InvalidInput` if nothing is held of the span.
    """
    table = held.table
    if span is None:
        coverage = table.coverage()
        if waiting is not None:
            coverage = coverage.and_present(waiting.stamp, after_gap=waiting.after_gap)
        return View(coverage)
    times = table.times(media=span.media)
    at = None if waiting is None else _time_of(waiting.stamp, span)
    extra = None if waiting is None or at is None else Extra(at, waiting.after_gap)
    within = times.within(span.start_ms, span.end_ms, extra)
    chosen = _chosen(held, within, standing=standing)
    if not shown and not bool(chosen[:, held.video].any()):
        raise InvalidInput(FIELD, _why_nothing(span, within, times, extra))
    covered = within.coverage
    capture = covered.start_ms, covered.end_ms
    if span.media:
        capture = times.capture_of(capture[0]), times.capture_of(capture[1])
        covered = replace(
            covered,
            start_ms=capture[0],
            end_ms=capture[1],
            media_start_ms=within.coverage.start_ms,
            media_end_ms=within.coverage.end_ms,
        )
    coverage = _restricted(table, times, within, capture)
    if waiting is not None and lies_within(span, waiting.stamp):
        coverage = coverage.and_present(waiting.stamp, after_gap=waiting.after_gap)
    return View(coverage, covered, chosen)


def _time_of(stamp: FrameStamp, span: Span) -> int | None:
    return stamp.media_ms if span.media else stamp.capture_ms


def _chosen(held: Held, within: Within, *, standing: bool) -> Tensor:
    slab, video = held.slab, held.video
    frames = slab.frames[:, : slab.length]
    chosen = frames < 0  # the prefix
    for first, last in within.runs:
        chosen |= (frames >= first) & (frames <= last)
    if standing and within.watched and within.before:
        frames, patches = frames[:, video], slab.patches[:, video]
        text = patches % PLACES >= FIRST_TEXT
        ends = until(frames, patches, slab.until[:, video], held.changes)
        text, picture = text & (patches >= 0), ~text & (patches >= 0)
        stood = picture & (frames < within.before) & (ends >= within.before)
        frame = frame_of_each(frames)  # the text of a frame stays with its picture
        shown = torch.zeros_like(frame).scatter_reduce(1, frame, stood.to(frame.dtype), "amax")
        chosen[:, video] |= stood | (text & (shown.gather(1, frame) > 0))
    return chosen


def _restricted(table: FrameTable, times: FrameTimes, within: Within, span: Stretch) -> Coverage:
    """The memory's coverage, restricted to a span of capture time."""
    whole = table.coverage()
    first = table.stamp_of(within.runs[0][0]) if within.runs else None
    last = table.stamp_of(within.runs[-1][1]) if within.runs else None
    gaps = [
        (inside, reason)
        for gap, reason in zip(whole.gaps, whole.gap_reasons, strict=True)
        if (inside := _cut(gap, span)) is not None
    ]
    since = whole.whole_since_ms
    if since is not None and first is not None and last is not None:
        since = max(since, first.capture_ms) if since <= last.capture_ms else None
    return Coverage(
        start_ms=None if first is None else first.capture_ms,
        end_ms=None if last is None else last.capture_ms,
        gaps=tuple(gap for gap, _ in gaps),
        gap_reasons=tuple(reason for _, reason in gaps),
        media_start_ms=None if first is None else first.media_ms,
        media_end_ms=None if last is None else last.media_ms,
        frames=times.count(within.runs),
        frames_seen=sum(last - first + 1 for first, last in within.runs),
        whole_since_ms=None if first is None else since,
        forgotten=tuple(cut for one in whole.forgotten if (cut := _cut(one, span)) is not None),
        since_ms=whole.since_ms,
        lost=gaps[0][0] if gaps and gaps[0][1] == LOST else None,
    )


def _cut(stretch: Stretch, span: Stretch) -> Stretch | None:
    """The part of a stretch that is within a span; None if there is none."""
    start, end = max(stretch[0], span[0]), min(stretch[1], span[1])
    return (start, end) if start < end or (start == end and stretch[0] == stretch[1]) else None


def _why_nothing(span: Span, within: Within, times: FrameTimes, extra: Extra | None) -> str:
    """Why nothing is held of a span, and since when memory reaches."""
    seen = [piece for piece in times.pieces if piece.kind in ("whole", "thinned")]
    if not times.pieces:
        if span.media:
            return "is a span of a file, and no frame of this camera has a time in a file"
        return "holds nothing: no frame was seen yet"
    asked, part = within.coverage, {name: _said(span, at) for name, at in _edges(times).items()}
    if asked.end_ms < times.pieces[0].start:
        return f"ends before the first frame, which was seen at {part['first']}"
    if asked.start_ms > times.pieces[-1].end:
        newest = part["last"] if extra is None else _said(span, extra.at)
        return f"begins after the newest frame, which was seen at {newest}"
    for piece in times.pieces:
        if piece.start <= asked.start_ms and asked.end_ms <= piece.end and piece.kind == "unseen":
            start, end = _said(span, piece.start), _said(span, piece.end)
            return f"lies in a gap: no frame was seen from {start} to {end}"
    if asked.forgotten_ms:
        since = _said(span, seen[0].start) if seen else part["last"]
        return f"is forgotten: what memory still holds was seen from {since} on"
    return "holds no frame: it lies between two"


def _edges(times: FrameTimes) -> dict[str, int]:
    return {"first": times.pieces[0].start, "last": times.pieces[-1].end}


def _said(span: Span, at: int) -> str:
    """A time for people: in UTC, or in seconds of the file."""
    if span.media:
        return f"{at / 1000:g} s"
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")
