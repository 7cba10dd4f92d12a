"""From the library over the wire to the client: nothing is lost on the way."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.choices import ChoiceProbability
from hermes.client.types import Span, TokenLogprob, answer_of, coverage_of
from hermes.engine import AnswerResult
from hermes.engine import TokenLogprob as EngineTokenLogprob
from hermes.engine.evidence import Evidence, EvidenceFrame
from hermes.memory import Coverage, FrameStamp, SpanCoverage
from hermes.v1 import camera_pb2
from hermes.v1.query_pb2 import Complete
from services.hermes_worker.convert import complete_message, coverage_message

TIMES = st.integers(0, 4_000_000_000_000)
STRETCHES = st.lists(st.tuples(TIMES, TIMES), max_size=4).map(tuple)


def at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms // 1000, tz=UTC).replace(microsecond=ms % 1000 * 1000)


def test_reasons_of_gaps_come_through() -> None:
    coverage = Coverage(
        start_ms=0,
        end_ms=9,
        gaps=((1, 2), (3, 4), (5, 6)),
        gap_reasons=("lost_packets", "", "of_a_newer_version"),
    )
    found = coverage_of(coverage_message(coverage)).gaps
    assert [gap.reason for gap in found] == ["lost_packets", "", ""]


@given(
    st.builds(
        Coverage,
        start_ms=TIMES,
        end_ms=TIMES,
        gaps=STRETCHES,
        media_start_ms=st.none() | TIMES,
        media_end_ms=st.none() | TIMES,
        frames=st.integers(1, 1000),
        frames_seen=st.integers(1, 1000),
        whole_since_ms=st.none() | TIMES,
        forgotten=STRETCHES,
    )
)
def test_coverage_comes_through(original: Coverage) -> None:
    assert original.start_ms is not None
    assert original.end_ms is not None
    wire = camera_pb2.Coverage.FromString(coverage_message(original).SerializeToString())
    found = coverage_of(wire)
    assert found.span == Span(at(original.start_ms), at(original.end_ms))
    assert found.gaps == tuple(Span(at(start), at(end)) for start, end in original.gaps)
    assert found.forgotten == tuple(Span(at(start), at(end)) for start, end in original.forgotten)
    whole = original.whole_since_ms
    assert found.whole_since == (None if whole is None else at(whole))
    assert (found.frames, found.frames_seen) == (original.frames, original.frames_seen)
    assert found.media_start_s == (
        None if original.media_start_ms is None else pytest.approx(original.media_start_ms / 1000)
    )


def test_an_empty_memory_reports_no_span() -> None:
    found = coverage_of(coverage_message(Coverage()))
    assert (found.span, found.whole_since, found.forgotten) == (None, None, ())


def result(**fields: object) -> AnswerResult:
    return AnswerResult("stop", 5, 3, Coverage(), 0.1, 0.2, 0.0, **fields)  # type: ignore[arg-type]


def test_everything_that_an_answer_reports_comes_through() -> None:
    choices = (ChoiceProbability("yes", 0.9, -0.1, 2), ChoiceProbability("no", 0.1, -2.3, 3))
    original = result(
        answer_id="5-17",
        dropped_turns=2,
        choices=choices,
        logprobs=(EngineTokenLogprob(9, "yes", -0.25),),
        span=SpanCoverage(60_000, 100_500, 7, 10_000, 5_000, 20_000, 5_500, 1_000, 41_500),
        evidence=Evidence(
            (
                EvidenceFrame(4, FrameStamp(61_000, 2_000), -3.0),
                EvidenceFrame(5, FrameStamp(62_000), -1.5),
            ),
            logprob=-1.0,
            largest_fall=2.0,
            readings=12,
        ),
    )
    wire = complete_message(original, 8, "m", {5: b"jpeg"}).SerializeToString()
    found = answer_of("yes", Complete.FromString(wire))
    assert (found.answer_id, found.dropped_turns, found.choices) == ("5-17", 2, choices)
    assert found.logprobs == (TokenLogprob(9, "yes", -0.25),)
    assert found.span is not None
    assert (found.span.span, found.span.frames) == (Span(at(60_000), at(100_500)), 7)
    parts = (found.span.whole_s, found.span.thinned_s, found.span.forgotten_s, found.span.unseen_s)
    assert parts == (10.0, 5.0, 20.0, 5.5)
    assert (found.span.media_start_s, found.span.media_end_s) == (1.0, 41.5)
    assert found.evidence is not None
    assert (found.evidence.logprob, found.evidence.largest_fall) == (-1.0, 2.0)
    assert found.evidence.readings == 12
    first, second = found.evidence.frames
    assert (first.captured, first.media_s, first.frame) == (at(61_000), 2.0, 4)
    assert (first.fall, first.picture) == (2.0, b"")
    assert (second.media_s, second.fall, second.picture) == (None, 0.5, b"jpeg")


def test_a_plain_answer_reports_nothing_more() -> None:
    found = answer_of("yes", complete_message(result(), 8, "m"))
    assert (found.span, found.evidence, found.choices, found.logprobs) == (None, None, (), ())
    assert (found.answer_id, found.dropped_turns) == ("", 0)
