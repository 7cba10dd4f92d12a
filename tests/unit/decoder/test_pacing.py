from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.decoder.pacing import LATE_S, MAX_WAIT_S, Pacer


def test_frames_wait_for_their_time() -> None:
    pacer = Pacer()
    assert pacer.delay(50.0, 1000.0) == 0.0
    assert pacer.delay(51.0, 1000.25) == 0.75
    assert pacer.delay(52.0, 1002.5) == 0.0  # a little late: not held, and no new clock
    assert pacer.delay(53.0, 1002.5) == 0.5


def test_after_a_long_stall_it_does_not_rush() -> None:
    pacer = Pacer()
    pacer.delay(0.0, 0.0)
    assert pacer.delay(1.0, 60.0) == 0.0
    assert pacer.delay(2.0, 60.0) == 1.0


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 100)), max_size=100))
def test_it_never_holds_a_frame_for_ever(moves: list[tuple[float, float]]) -> None:
    pacer, stream, now = Pacer(), 0.0, 0.0
    for forward, passed in moves:
        stream, now = stream + forward, now + passed
        delay = pacer.delay(stream, now)
        assert 0.0 <= delay <= MAX_WAIT_S
        now += delay


@given(st.lists(st.floats(0.01, MAX_WAIT_S - LATE_S), min_size=1, max_size=50))
def test_a_source_read_at_once_plays_at_its_own_speed(gaps: list[float]) -> None:
    pacer, stream, now = Pacer(), 0.0, 5.0
    pacer.delay(stream, now)
    for gap in gaps:
        stream += gap
        now += pacer.delay(stream, now)
    assert abs((now - 5.0) - stream) < 1e-6
