"""How often a caller may call, and how many of its calls are open."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes.errors import Overloaded
from services.query_gateway.access.limits import CallerLimits


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def limits(clock: Clock, rate: float = 2.0, burst: int = 3, most_open: int = 99) -> CallerLimits:
    return CallerLimits(rate, burst, most_open, clock, max_callers=100)


def test_a_burst_then_the_rate() -> None:
    clock = Clock()
    calls = limits(clock)
    for _ in range(3):
        calls.enter("a")
    with pytest.raises(Overloaded) as caught:
        calls.enter("a")
    assert caught.value.retry_after_s == pytest.approx(0.5)
    calls.enter("b")  # another caller's own
    clock.now += caught.value.retry_after_s
    calls.enter("a")  # coming when told is soon enough
    with pytest.raises(Overloaded):
        calls.enter("a")
    clock.now += 100
    for _ in range(3):
        calls.enter("a")
    with pytest.raises(Overloaded):
        calls.enter("a")


@settings(deadline=None)
@given(
    st.sampled_from([0.5, 1.0, 2.0, 8.0]),
    st.integers(1, 5),
    st.lists(st.integers(0, 16).map(lambda n: n / 8), max_size=60),
)
def test_it_is_a_token_bucket(rate: float, burst: int, pauses: list[float]) -> None:
    """One that holds `burst` tokens, gains `rate` a second, and gives one to each call."""
    clock = Clock()
    calls = limits(clock, rate, burst)
    tokens = float(burst)
    for pause in pauses:
        clock.now += pause
        tokens = min(float(burst), tokens + pause * rate)
        if tokens >= 1:
            tokens -= 1
            calls.enter("a")
        else:
            with pytest.raises(Overloaded) as caught:
                calls.enter("a")
            assert caught.value.retry_after_s == pytest.approx((1 - tokens) / rate)


def test_calls_at_a_time() -> None:
    calls = limits(Clock(), rate=100, burst=100, most_open=2)
    calls.enter("a")
    calls.enter("a")
    with pytest.raises(Overloaded, match="2 calls of yours are open"):
        calls.enter("a")
    calls.enter("b")
    calls.leave("a")
    calls.enter("a")


def test_the_callers_that_are_remembered_are_bounded() -> None:
    clock = Clock()
    calls = limits(clock, most_open=1)
    calls.enter("first")
    for n in range(10_000):
        clock.now += 0.001
        calls.enter(f"caller-{n}")
        calls.leave(f"caller-{n}")
    assert calls.callers == 101  # the hundred that called last, and the one with an open call
    with pytest.raises(Overloaded):
        calls.enter("first")
    calls.leave("first")
    assert calls.callers == 100
