from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.v1.camera_pb2 import (
    MEMORY_STATE_PENDING,
    MEMORY_STATE_SERVING,
    SOURCE_ERROR_AUTH,
    SOURCE_STATE_OFFLINE,
    SOURCE_STATE_PENDING,
    Coverage,
    MemoryState,
    MemoryStatus,
    SourceError,
    SourceState,
    SourceStatus,
    TimeSpan,
)
from services.common.camera_status import (
    MEMORY_ID,
    Fields,
    memory_fields,
    parse,
    source_fields,
)

counts = st.integers(0, 2**53)
words = st.text(max_size=20)


def stored(*parts: Fields) -> dict[bytes, bytes]:
    """As Redis gives it back."""
    return {key.encode(): str(value).encode() for part in parts for key, value in part.items()}


@st.composite
def sources(draw: st.DrawFn) -> SourceStatus:
    status = SourceStatus(
        state=draw(st.sampled_from(SourceState.keys()[1:])),
        error=draw(st.sampled_from(SourceError.keys())),
        error_message=draw(st.text("abc :'é", max_size=20)),
        frames_per_second=draw(st.integers(0, 30_000)) / 1000,
        reconnects=draw(counts),
        dropped_frames=draw(counts),
        decoder=draw(words),
    )
    if last_ms := draw(st.integers(0, 4_000_000_000_000)):
        status.last_frame.FromMilliseconds(last_ms)
    return status


@st.composite
def memories(draw: st.DrawFn) -> MemoryStatus:
    status = MemoryStatus(
        state=draw(st.sampled_from(MemoryState.keys()[1:])),
        frames=draw(counts),
        tokens=draw(counts),
        bytes=draw(counts),
        worker=draw(words),
        epoch=draw(counts),
    )
    status.lag.FromMilliseconds(draw(st.integers(0, 10**9)))
    gap = TimeSpan()
    gap.start.FromMilliseconds(draw(st.integers(0, 4_000_000_000_000)))
    gap.end.FromMilliseconds(draw(st.integers(0, 4_000_000_000_000)))
    status.coverage.CopyFrom(
        Coverage(span=gap, gaps=[gap] * draw(st.integers(0, 2)), frames=draw(counts))
    )
    return status


@given(sources(), memories())
def test_both_parts_come_back_as_they_were(source: SourceStatus, memory: MemoryStatus) -> None:
    fields = stored(source_fields(source), memory_fields(memory, "17-0"))
    assert parse(fields) == (source, memory)
    assert fields[MEMORY_ID.encode()] == b"17-0"


def test_the_two_sides_write_different_fields() -> None:
    assert not source_fields(SourceStatus()).keys() & memory_fields(MemoryStatus(), "").keys()


def test_what_was_never_written_is_pending() -> None:
    source, memory = parse({})
    assert source == SourceStatus(state=SOURCE_STATE_PENDING)
    assert memory == MemoryStatus(state=MEMORY_STATE_PENDING)
    source, memory = parse(stored(source_fields(SourceStatus(state=SOURCE_STATE_OFFLINE))))
    assert source.state == SOURCE_STATE_OFFLINE
    assert memory.state == MEMORY_STATE_PENDING


def test_a_message_carries_no_credentials() -> None:
    status = SourceStatus(error=SOURCE_ERROR_AUTH, error_message="401: rtsp://u:hunter2@h/s")
    assert source_fields(status)["error_message"] == "401: rtsp://***@h/s"


@pytest.mark.parametrize("junk", [b"", b"?", b"-1", b"1e999", b"nan", b"\xff", b"9" * 40, b"{}"])
def test_a_field_that_cannot_be_read_is_as_if_unset(junk: bytes) -> None:
    whole = stored(
        source_fields(SourceStatus(state=SOURCE_STATE_OFFLINE)),
        memory_fields(MemoryStatus(state=MEMORY_STATE_SERVING), "1-0"),
    )
    for name in whole:
        source, memory = parse({**whole, name: junk})
        if name != b"state":
            assert source.state == SOURCE_STATE_OFFLINE
        if name != b"memory_state":
            assert memory.state == MEMORY_STATE_SERVING
        source.SerializeToString()
        memory.SerializeToString()
