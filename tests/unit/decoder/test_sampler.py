from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from services.decoder.sampler import RateCap, Sampler
from services.decoder.telemetry import RateMeter

rates = st.sampled_from([0.1, 0.5, 1.0, 2.0, 5.0, 12.5, 30.0])


def sampled(times: list[float], fps: float, frame_s: float = 0.0) -> list[float]:
    sampler = Sampler(fps, frame_s)
    return [t for t in times if sampler.wants(t)]


def test_thirty_a_second_to_one_takes_whole_seconds() -> None:
    times = [i / 30 for i in range(91)]
    assert [round(t, 6) for t in sampled(times, 1.0, 1 / 30)] == [0.0, 1.0, 2.0, 3.0]


def test_a_source_at_the_wanted_rate_loses_nothing_to_jitter() -> None:
    jitter = [0.0, 0.03, -0.04, 0.04, -0.03, 0.02, -0.04]
    times = [i / 10 + jitter[i % 7] for i in range(100)]
    assert len(sampled(times, 10.0, 0.1)) == 100


def test_rounding_to_milliseconds_takes_no_frame_twice() -> None:
    """A period of 30 a second begins between 7216 and 7216.25 ms."""
    at_s = 7.216254534286752
    assert sampled([at_s], 30.0, 0.04) == [at_s]
    assert not Sampler(30.0, 0.04, after_s=round(at_s * 1000) / 1000).wants(at_s)


def test_fewer_frames_than_wanted_are_all_taken() -> None:
    times = [i * 7.0 for i in range(20)]
    assert sampled(times, 1.0, 7.0) == times


@given(st.lists(st.floats(0.001, 50), max_size=200), rates)
def test_every_period_with_a_frame_gives_one(gaps: list[float], fps: float) -> None:
    times = [0.0]
    for gap in gaps:
        times.append(times[-1] + gap)
    taken = sampled(times, fps)

    def period(t: float) -> int:
        return math.floor((round(t * 1000) / 1000 + 0.0005) * fps)

    assert [period(t) for t in taken] == sorted({period(t) for t in times})
    assert taken[0] == times[0]


@given(st.lists(st.floats(0.001, 2), min_size=1, max_size=100), rates, st.data())
def test_a_resumed_file_takes_what_an_unbroken_run_would(
    gaps: list[float], fps: float, data: st.DataObject
) -> None:
    times = [0.0]
    for gap in gaps:
        times.append(times[-1] + gap)
    whole = sampled(times, fps, 0.04)
    cut = data.draw(st.integers(0, len(whole) - 1))
    last_ms = round(whole[cut] * 1000)
    sampler = Sampler(fps, 0.04, after_s=last_ms / 1000)
    resumed = [t for t in times if sampler.wants(t)]
    assert resumed == whole[cut + 1 :]


@given(st.lists(st.floats(0, 5), max_size=300), rates)
def test_the_cap_holds_whatever_timestamps_say(gaps: list[float], fps: float) -> None:
    cap, now, taken = RateCap(fps), 100.0, 0
    for gap in gaps:
        now += gap
        taken += cap.allows(now)
    allowed = max(4.0, fps * RateCap.BURST_S) + (now - 100.0) * fps * RateCap.HEADROOM
    assert taken <= allowed + 1e-6


def test_the_cap_lets_the_wanted_rate_through() -> None:
    cap = RateCap(2.0)
    assert all(cap.allows(i * 0.5) for i in range(1000))


def test_the_meter_measures_and_forgets() -> None:
    meter = RateMeter(window_s=10.0)
    assert meter.rate(0.0) == 0.0
    for i in range(100):
        meter.add(i * 0.5)
    assert math.isclose(meter.rate(49.5), 2.0)
    assert meter.rate(100.0) == 0.0
