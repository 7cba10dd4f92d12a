"""What is printed below an answer: its span, the choices, the evidence, what was left out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from hermes.choices import ChoiceProbability
from hermes.client import Answer, Evidence, EvidenceFrame, SpanCoverage
from hermes.client.evidence import likelihood_ratio
from hermes.picture.axis import duration
from services.cli.durations import shown_position
from services.cli.local_times import shown_moment

MOST_BAR, LEAST_BAR = 30, 8  # columns
PERCENT = 8  # columns, with the space before it
MOST_TIMES = 1000
"""Beyond it a number says no more than that it is large."""

_FALLS = (
    (math.log(1.5), "hardly"),
    (math.log(3), "a little"),
    (math.log(10), ""),
    (math.log(100), "much"),
)
"""Up to which fall of the log-probability an answer counts as how much less likely."""


def details_of(
    answer: Answer, now: datetime, width: int, *, plain: bool = False
) -> Iterator[RenderableType]:
    """What there is to say beside the text and the figures. `plain`: in ASCII."""
    if answer.choices:
        yield choices_table(answer.choices, width, plain=plain)
    if answer.dropped_turns:
        yield Text(dropped_line(answer.dropped_turns), style="yellow")
    if answer.span is not None:
        yield Text(span_line(answer.span, now), style="dim")
    if answer.evidence is not None:
        yield from map(Text, evidence_lines(answer.evidence, now))
    if answer.logprobs:
        shown = "  ".join(f"{token.text!r} {token.logprob:.2f}" for token in answer.logprobs)
        yield Text(f"log-probabilities: {shown}", style="dim")


def choices_table(
    choices: tuple[ChoiceProbability, ...], width: int, *, plain: bool = False
) -> Table:
    """The choices with their probabilities as bars, the likeliest first."""
    longest = max(len(choice.text) for choice in choices)
    bar = max(LEAST_BAR, min(MOST_BAR, width - PERCENT - longest - 2))
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True, overflow="ellipsis", max_width=width - PERCENT - bar - 2)
    table.add_column(no_wrap=True, width=bar, style="cyan")
    table.add_column(no_wrap=True, justify="right")
    for choice in sorted(choices, key=lambda choice: -choice.probability):
        filled = round(choice.probability * bar)
        drawn = ("#" if plain else "█") * filled
        table.add_row(Text(choice.text), drawn, f"{100 * choice.probability:.1f}%")
    return table


def span_line(covered: SpanCoverage, now: datetime) -> str:
    """How much of the span that was asked about memory covers, in one line."""
    parts = {
        "whole": covered.whole_s,
        "thinned": covered.thinned_s,
        "forgotten": covered.forgotten_s,
        "unseen": covered.unseen_s,
    }
    held = [f"{duration(1000 * seconds)} {name}" for name, seconds in parts.items() if seconds]
    if len(held) == 1:
        held = [f"all {name}" for name, seconds in parts.items() if seconds]
    frames = f"{covered.frames} frame{'' if covered.frames == 1 else 's'}"
    return f"{_shown_span(covered, now)}: {', '.join((*held, frames))}"


def _shown_span(covered: SpanCoverage, now: datetime) -> str:
    first, final = covered.media_start_s, covered.media_end_s
    if first is not None and final is not None:
        return f"{shown_position(first)} to {shown_position(final)}"
    span = covered.span
    return f"{shown_moment(span.start, now)} to {shown_moment(span.end, now)}"


def dropped_line(count: int) -> str:
    """What it means that turns had no room."""
    turns = "the oldest turn" if count == 1 else f"the {count} oldest turns"
    return f"{turns} of this conversation had no room; `clear` forgets all of them"


def evidence_lines(evidence: Evidence, now: datetime) -> Iterator[str]:
    """The frames on which an answer rests, one a line, the most telling first."""
    most = times_less_likely(evidence.largest_fall)
    if not evidence.frames:
        yield f"no frame is evidence for this answer: hiding frames changes little ({most} at most)"
        return
    yield "the answer rests on these frames, and on those near them:"
    for frame in evidence.frames:
        times = times_less_likely(frame.fall)
        yield f"{shown_frame(frame, now)} {less_likely(frame.fall)} without it ({times})"
    yield f"without all of them it is {less_likely(evidence.largest_fall)} ({most})"


def shown_frame(frame: EvidenceFrame, now: datetime) -> str:
    """When a frame was captured and, in brackets, where it lies in its file."""
    place = "" if frame.media_s is None else f" ({shown_position(frame.media_s)})"
    return f"{shown_moment(frame.captured, now)}{place}"


def less_likely(fall: float) -> str:
    """A fall of the log-probability, in words."""
    for most, word in _FALLS:
        if fall < most:
            return f"{word} less likely".strip()
    return "far less likely"


def times_less_likely(fall: float) -> str:
    """A fall of the log-probability, in numbers."""
    times = likelihood_ratio(max(0.0, fall))
    if times > MOST_TIMES:
        return f"over {MOST_TIMES} times"
    return f"{times:.1f} times" if times < 10 else f"{times:.0f} times"
