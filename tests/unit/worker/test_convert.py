"""From the library over the wire to the client: nothing is lost on the way."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.client.types import Span, coverage_of
from hermes.memory import Coverage
from hermes.v1 import camera_pb2
from services.hermes_worker.convert import coverage_message

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
