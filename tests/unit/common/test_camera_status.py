from __future__ import annotations

import json
import math

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
    ENDED,
    MEMORY,
    MEMORY_ID,
    SOURCE,
    Fields,
    ended_before,
    ended_fields,
    memory_fields,
    parse,
    source_fields,
)

counts = st.integers(0, 2**53)
words = st.text(max_size=20)


def stored(*parts: Fields) -> dict[bytes, bytes]:
    """The fields as Redis returns them."""
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
def test_both_parts_survive_the_hash(source: SourceStatus, memory: MemoryStatus) -> None:
    fields = stored(source_fields(source), memory_fields(memory, "17-0"))
    assert parse(fields) == (source, memory)
    assert fields[MEMORY_ID.encode()] == b"17-0"


def test_the_two_sides_write_different_fields() -> None:
    assert not source_fields(SourceStatus()).keys() & memory_fields(MemoryStatus(), "").keys()


def test_a_status_that_was_never_written_is_pending() -> None:
    source, memory = parse({})
    assert source == SourceStatus(state=SOURCE_STATE_PENDING)
    assert memory == MemoryStatus(state=MEMORY_STATE_PENDING)
    source, memory = parse(stored(source_fields(SourceStatus(state=SOURCE_STATE_OFFLINE))))
    assert source.state == SOURCE_STATE_OFFLINE
    assert memory.state == MEMORY_STATE_PENDING


def test_a_message_carries_no_credentials() -> None:
    status = SourceStatus(error=SOURCE_ERROR_AUTH, error_message="401: rtsp://u:hunter2@h/s")
    source, _ = parse(stored(source_fields(status)))
    assert source.error_message == "401: rtsp://***@h/s"
    assert status.error_message == "401: rtsp://u:hunter2@h/s"  # the caller's own is as it was


JUNK = [b"", b"?", b"-1", b"1e999", b"nan", b"\xff", b"9" * 40, b"{}", b"[]", b"null", b"[" * 3000]


@pytest.mark.parametrize("junk", JUNK)
def test_an_unreadable_field_counts_as_unset(junk: bytes) -> None:
    whole = stored(
        source_fields(SourceStatus(state=SOURCE_STATE_OFFLINE)),
        memory_fields(MemoryStatus(state=MEMORY_STATE_SERVING), "1-0"),
    )
    for name in whole:
        source, memory = parse({**whole, name: junk})
        if name != SOURCE.encode():
            assert source.state == SOURCE_STATE_OFFLINE
        if name != MEMORY.encode():
            assert memory.state == MEMORY_STATE_SERVING
        source.SerializeToString()
        memory.SerializeToString()


@pytest.mark.parametrize(
    "value",
    [
        *("NaN", "Infinity", '"NaN"', '"-Infinity"', "1e999", "-1", "9" * 40, "9" * 5000),
        *("{}", "[[]]", '"9999-12-31T23:59:60Z"', '"10000-01-01T00:00:00Z"', '"nonsense"'),
        *("99", "1.5", "true", "null"),
    ],
)
def test_an_impossible_value_spares_the_others(value: str) -> None:
    """Its own field is unset, or holds the valid part of the value."""
    whole = SourceStatus(
        state=SOURCE_STATE_OFFLINE,
        error=SOURCE_ERROR_AUTH,
        error_message="m",
        frames_per_second=2.0,
        reconnects=3,
        dropped_frames=4,
        decoder="d",
    )
    whole.last_frame.FromMilliseconds(1_700_000_000_000)
    parts = json.loads(str(source_fields(whole)[SOURCE]))
    assert len(parts) == 8
    for name in parts:
        others = {other: part for other, part in parts.items() if other != name}
        text = json.dumps(others)[:-1] + f', "{name}": {value}}}'
        source, _ = parse({SOURCE.encode(): text.encode()})
        expected, field = SourceStatus(), _snake(name)
        expected.CopyFrom(whole)
        for status in (source, expected):
            status.ClearField(field)
        assert source == expected
        source, _ = parse({SOURCE.encode(): text.encode()})
        assert math.isfinite(source.frames_per_second)
        assert source.state in SourceState.values()
        assert source.error in SourceError.values()


def _snake(name: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name)


OLD = {
    b"state": b"SOURCE_STATE_OFFLINE",
    b"error": b"SOURCE_ERROR_AUTH",
    b"error_message": b"401",
    b"fps": b"0.5",
    b"last_frame_ms": b"1700000000000",
    b"reconnects": b"3",
    b"dropped_frames": b"4",
    b"decoder": b"d-1",
    b"memory_state": b"MEMORY_STATE_SERVING",
    b"memory_frames": b"12",
    b"memory_tokens": b"240",
    b"memory_bytes": b"4096",
    b"memory_lag_ms": b"1500",
    b"memory_coverage": b'{"span": {"start": "2023-11-14T22:13:20Z"}, "frames": "12"}',
    b"worker": b"w-1",
    b"worker_epoch": b"7",
    b"memory_id": b"5-0",
    b"memory_durable_id": b"",
}
"""A hash as services of the version before wrote it."""


def test_the_fields_of_the_version_before_are_read() -> None:
    source, memory = parse(OLD)
    assert (source.state, source.error) == (SOURCE_STATE_OFFLINE, SOURCE_ERROR_AUTH)
    assert (source.error_message, source.decoder) == ("401", "d-1")
    assert (source.frames_per_second, source.reconnects, source.dropped_frames) == (0.5, 3, 4)
    assert source.last_frame.ToMilliseconds() == 1_700_000_000_000
    assert memory.state == MEMORY_STATE_SERVING
    assert (memory.frames, memory.tokens, memory.bytes) == (12, 240, 4096)
    assert (memory.lag.ToMilliseconds(), memory.worker, memory.epoch) == (1500, "w-1", 7)
    assert memory.coverage.span.start.ToMilliseconds() == 1_700_000_000_000
    assert memory.coverage.frames == 12


@pytest.mark.parametrize("junk", JUNK)
def test_an_unreadable_old_field_counts_as_unset(junk: bytes) -> None:
    for name in OLD:
        source, memory = parse({**OLD, name: junk})
        if name != b"state":
            assert source.state == SOURCE_STATE_OFFLINE
        if name != b"memory_state":
            assert memory.state == MEMORY_STATE_SERVING
        source.SerializeToString()
        memory.SerializeToString()


def test_new_services_take_over_from_old_ones_and_back() -> None:
    mixed = OLD | stored(
        source_fields(SourceStatus(state=SOURCE_STATE_PENDING)),
        memory_fields(MemoryStatus(worker="new", epoch=8), "6-0"),
    )
    source, memory = parse(mixed)
    assert source.state == SOURCE_STATE_PENDING
    assert memory.worker == "new"
    _, memory = parse(mixed | {b"worker": b"old-again", b"worker_epoch": b"9"})
    assert memory.worker == "old-again"


def test_a_recording_that_ended_is_that_of_one_camera_alone() -> None:
    noted = str(ended_fields(17, "read whole: 3 s of rtsp://u:hunter2@h/s")[ENDED]).encode()
    assert ended_before(noted, 17) == "read whole: 3 s of rtsp://***@h/s"
    assert ended_before(noted, 18) is None
    for nothing in (None, b"", b":", b"17", b"x:y", b"\xff"):
        assert ended_before(nothing, 18) is None
