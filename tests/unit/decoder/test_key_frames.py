"""Key frames that come regularly are believed in, and others are not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.decoder.key_frames import KeyFrames


def fed(*times_s: float | None) -> KeyFrames:
    keys = KeyFrames()
    for at_s in times_s:
        keys.seen(at_s)
    return keys


def test_three_times_the_same_interval() -> None:
    assert fed().next_s is None
    assert fed(0.0, 2.0, 4.0).next_s is None
    assert fed(0.0, 2.0, 4.0, 6.0).next_s == 8.0
    assert fed(0.0, 2.0, 4.0, 6.0).overdue_s == 9.0


def test_a_little_jitter_is_nothing() -> None:
    assert fed(0.0, 1.001, 2.0, 3.0).next_s is not None


def test_one_out_of_turn_starts_over() -> None:
    keys = fed(0.0, 2.0, 4.0, 6.0, 7.0)
    assert keys.next_s is None
    for at_s in (8.0, 9.0, 10.0):
        keys.seen(at_s)
    assert keys.next_s == 11.0


def test_one_that_failed_to_come_costs_confidence() -> None:
    keys = fed(0.0, 1.0, 2.0, 3.0)
    keys.missed()
    assert keys.next_s is None
    for number in range(6):
        assert keys.next_s is None
        keys.seen(10.0 + number)
    keys.seen(16.0)
    assert keys.next_s == 17.0


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True))))
def test_whatever_timestamps_say(times_s: list[float | None]) -> None:
    keys = KeyFrames()
    for at_s in times_s:
        keys.seen(at_s)
        if keys.next_s is not None:
            assert at_s is not None
            assert keys.next_s >= at_s
