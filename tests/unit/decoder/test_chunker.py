from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hermes.v1.camera_pb2 import GAP_REASON_LOST_PACKETS, GAP_REASON_RECONNECTED
from hermes.v1.frames_pb2 import Frame, FrameChunk
from services.decoder.chunker import MAX_CHUNK_BYTES, CaptureClock, Chunker, Origin

ORIGIN = Origin("lobby", 7, live=True)


def frame(ms: int, size: int = 10) -> Frame:
    return Frame(jpeg=b"x" * size, capture_time_ms=ms)


def times(chunk: FrameChunk) -> list[int]:
    return [f.capture_time_ms for f in chunk.frames]


def test_closes_at_so_many_frames() -> None:
    chunker = Chunker(ORIGIN, 3, 100.0)
    closed = [chunk for i in range(7) for chunk in chunker.add(frame(i + 1), i * 0.1)]
    assert [times(c) for c in closed] == [[1, 2, 3], [4, 5, 6]]
    assert [c.first_frame_index for c in closed] == [0, 3]
    last = chunker.flush()
    assert last is not None
    assert (times(last), last.first_frame_index) == ([7], 6)
    assert (last.camera_id, last.epoch, last.live) == ("lobby", 7, True)
    assert chunker.flush() is None


def test_closes_when_its_first_frame_is_old_without_another_frame() -> None:
    chunker = Chunker(ORIGIN, 8, 1.0)
    assert chunker.due(99.0) is None
    chunker.add(frame(1), 10.0)
    chunker.add(frame(2), 10.9)
    assert chunker.deadline_s == 11.0
    assert chunker.due(10.99) is None
    chunk = chunker.due(11.0)
    assert chunk is not None
    assert times(chunk) == [1, 2]


def test_an_old_chunk_closes_before_the_next_frame_joins_it() -> None:
    chunker = Chunker(ORIGIN, 8, 1.0)
    chunker.add(frame(1), 0.0)
    (closed,) = chunker.add(frame(2), 5.0)
    assert times(closed) == [1]


def test_closes_before_it_gets_too_large() -> None:
    chunker = Chunker(ORIGIN, 64, 60.0)
    size = MAX_CHUNK_BYTES // 2 - 1
    closed = [c for i in range(5) for c in chunker.add(frame(i + 1, size), 0.0)]
    assert [len(c.frames) for c in closed] == [2, 2]


def test_an_interruption_marks_the_next_chunk_only() -> None:
    chunker = Chunker(ORIGIN, 2, 60.0)
    chunker.add(frame(1), 0.0)
    cut = chunker.interrupt(GAP_REASON_LOST_PACKETS)
    chunker.interrupt(GAP_REASON_RECONNECTED)  # the first reason counts
    assert cut is not None
    assert not cut.discontinuity
    closed = [c for i in range(4) for c in chunker.add(frame(i + 2), 0.0)]
    assert [c.discontinuity for c in closed] == [True, False]
    assert [c.gap_reason for c in closed] == [GAP_REASON_LOST_PACKETS, 0]


@given(
    st.lists(st.tuples(st.floats(0, 3), st.integers(1, MAX_CHUNK_BYTES)), max_size=60),
    st.integers(1, 10),
    st.floats(0.01, 5),
    st.integers(0, 1000),
)
def test_frames_come_out_once_in_order_within_every_limit(
    arrivals: list[tuple[float, int]], max_frames: int, max_s: float, first: int
) -> None:
    chunker = Chunker(ORIGIN, max_frames, max_s, first_index=first)
    now, closed = 0.0, []
    arrived: dict[int, float] = {}
    for index, (gap, size) in enumerate(arrivals):
        now += gap
        arrived[index] = now
        closed += chunker.add(frame(index, size), now)
    closed += [c for c in [chunker.flush()] if c is not None]
    assert [ms for c in closed for ms in times(c)] == list(range(len(arrivals)))
    index = first
    for chunk in closed:
        assert chunk.first_frame_index == index
        index += len(chunk.frames)
        assert 1 <= len(chunk.frames) <= max_frames
        ages = [arrived[ms] for ms in times(chunk)]
        assert ages[-1] < ages[0] + max_s or len(ages) == 1
        assert len(chunk.frames) == 1 or sum(len(f.jpeg) for f in chunk.frames) <= MAX_CHUNK_BYTES
    assert chunker.sampled == index


@given(st.integers(0, 10**13), st.lists(st.integers(0, 10**13), max_size=100))
def test_capture_times_rise_whatever_the_clock_does(last: int, walls: list[int]) -> None:
    clock = CaptureClock(last)
    stamped = [clock.stamp(wall) for wall in walls]
    assert all(a < b for a, b in pairwise([last, *stamped]))
    assert all(stamp >= wall for stamp, wall in zip(stamped, walls, strict=True))


def test_capture_times_are_the_wall_clock_when_it_behaves() -> None:
    clock = CaptureClock(100)
    assert [clock.stamp(ms) for ms in (500, 900, 901)] == [500, 900, 901]
