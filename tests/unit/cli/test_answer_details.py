"""What is said about an answer, in plain words, in wide and narrow terminals."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from hermes.client import (
    Answer,
    ChoiceProbability,
    Coverage,
    Evidence,
    EvidenceFrame,
    Span,
    SpanCoverage,
    Timings,
    TokenLogprob,
)
from services.cli.answer_details import details_of, less_likely, times_less_likely

NOW = datetime(2026, 11, 29, 15, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TEN_MINUTES = Span(NOW - 10 * MINUTE, NOW)


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def said(width: int = 100, *, plain: bool = False, **fields: object) -> list[str]:
    """The lines below an answer with these fields."""
    timings = Timings(None, None, None, None, None, None)
    coverage = Coverage(None, (), None, None, 0, 0)
    answer = Answer("yes", "stop", 9, 1, timings, coverage, 5, "m", **fields)  # type: ignore[arg-type]
    console = Console(file=io.StringIO(), width=width)
    for detail in details_of(answer, NOW, width, plain=plain):
        console.print(detail)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def choices(**probabilities: float) -> tuple[ChoiceProbability, ...]:
    return tuple(ChoiceProbability(text, p, -1.0, 1) for text, p in probabilities.items())


def test_a_plain_answer_has_nothing_below_it() -> None:
    assert said() == []


def test_choices_are_ranked_bars() -> None:
    lines = said(choices=choices(no=0.0694, yes=0.9306))
    assert [line.split() for line in lines] == [
        ["yes", "█" * 28, "93.1%"],
        ["no", "█" * 2, "6.9%"],
    ]
    plain = said(60, plain=True, choices=choices(no=0.5, yes=0.5))
    assert plain[0].split() == ["no", "#" * 15, "50.0%"]
    assert "".join(plain).isascii()


@pytest.mark.parametrize("width", [40, 60, 100])
def test_long_choices_leave_room_for_their_bars(width: int) -> None:
    lines = said(width, choices=choices(**{"a red truck " * 20: 1.0, "[bold]b[/]": 0.0}))
    assert len(lines) == 2
    assert all(len(line) <= width for line in lines)
    assert "█" * 8 in lines[0]
    assert "100.0%" in lines[0]
    assert "[bold]b[/]" in lines[1]  # not read as markup


def test_a_span_says_how_much_of_it_is_what_in_one_line() -> None:
    parts = SpanCoverage(TEN_MINUTES, 61, 125, 240, 235, 0)
    assert said(span=parts) == [
        "15:00:00 to 15:10:00: 2 min 5 s whole, 4 min 0 s thinned, 3 min 55 s forgotten, 61 frames"
    ]
    whole = SpanCoverage(TEN_MINUTES, 1, 600, 0, 0, 0)
    assert said(span=whole) == ["15:00:00 to 15:10:00: all whole, 1 frame"]
    file = SpanCoverage(TEN_MINUTES, 3, 0.5, 0, 0, 44.5, 80, 125)
    assert said(span=file) == ["1:20.0 to 2:05.0: 0.5 s whole, 44 s unseen, 3 frames"]
    yesterday = Span(NOW - timedelta(days=1), NOW)
    (line,) = said(span=SpanCoverage(yesterday, 3, 0, 86_400, 0, 0))
    assert line == "2026-11-28 15:10:00 to 15:10:00: all thinned, 3 frames"


def test_evidence_in_words_and_numbers() -> None:
    frames = (
        EvidenceFrame(NOW - 3 * MINUTE, None, 88, 4.2),
        EvidenceFrame(NOW - timedelta(days=1), 62.5, 2, 0.01),
    )
    assert said(evidence=Evidence(frames, -1.0, 9.0, 12)) == [
        "the answer rests on these frames, and on those near them:",
        "15:07:00 much less likely without it (67 times)",
        "2026-11-28 15:10:00 (1:02.5) hardly less likely without it (1.0 times)",
        "without all of them it is far less likely (over 1000 times)",
    ]


def test_no_evidence_is_invented() -> None:
    assert said(evidence=Evidence((), -1.0, 0.05, 12)) == [
        "no frame is evidence for this answer: hiding frames changes little (1.1 times at most)"
    ]


def test_the_words_of_a_fall() -> None:
    times = (1.1, 1.6, 5, 50, 500, 50_000)
    assert [less_likely(math.log(n)) for n in times] == [
        "hardly less likely",
        "a little less likely",
        "less likely",
        "much less likely",
        "far less likely",
        "far less likely",
    ]
    assert [times_less_likely(math.log(n)) for n in times] == [
        "1.1 times",
        "1.6 times",
        "5.0 times",
        "50 times",
        "500 times",
        "over 1000 times",
    ]
    assert times_less_likely(-0.1) == "1.0 times"
    assert times_less_likely(10_000.0) == "over 1000 times"


def test_what_was_dropped_and_the_tokens() -> None:
    tokens = (TokenLogprob(7, "a", -0.1), TokenLogprob(8, " star", -1.25))
    lines = said(dropped_turns=2, logprobs=tokens)
    assert lines == [
        "the 2 oldest turns of this conversation had no room; `clear` forgets all of them",
        "log-probabilities: 'a' -0.10  ' star' -1.25",
    ]
    assert said(dropped_turns=1)[0].startswith("the oldest turn of this conversation")
