"""Coverage is true: which frames are held whole, forgotten, or were never seen."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes.memory import POLICIES, FrameStamp, StreamMemory
from hermes.memory.coverage import MAX_FORGOTTEN, MAX_GAPS, FrameTable
from tests.support.examples import at_most
from tests.unit.memory.test_policies import LAYERS, LAYOUTS, PER_FRAME, Rig


@dataclass
class Stream:
    """A stream as it was: capture times, which frames followed a gap, which are held."""

    times: list[int]
    after_gap: list[bool]
    held: set[int]

    def gaps(self) -> list[tuple[int, int]]:
        oldest = self.times[min(self.held)]
        return [
            (self.times[n - 1], self.times[n])
            for n in range(1, len(self.times))
            if self.after_gap[n] and self.times[n] > oldest
        ]

    def forgotten(self) -> list[tuple[int, int]]:
        """Frame by frame: runs of lost ones, and as far to each side as frames were seen."""
        found = []
        first = min(self.held)
        if first:
            found.append((self.times[0], self.times[first]))
        run: list[int] = []
        for n in range(first, len(self.times) + 1):
            ends = n == len(self.times) or n in self.held or self.after_gap[n]
            if run and ends:
                start = run[0] if self.after_gap[run[0]] else run[0] - 1
                followed = n < len(self.times) and not self.after_gap[n]
                found.append((self.times[start], self.times[n if followed else run[-1]]))
                run = []
            if n < len(self.times) and n not in self.held:
                run.append(n)
        return found


@settings(max_examples=at_most(200), deadline=None)
@given(data=st.data(), rounds=st.integers(1, 5))
def test_forgotten_stretches_are_those_of_evicted_frames(data: st.DataObject, rounds: int) -> None:
    table, record, now = FrameTable(), Stream([], [], set()), 0
    for _ in range(rounds):
        for _ in range(data.draw(st.integers(1, 8))):
            now += data.draw(st.integers(1, 50))
            gap = data.draw(st.booleans())
            number = table.add(FrameStamp(now), after_gap=gap)
            record.times.append(now)
            record.after_gap.append(gap and number > 0)
            record.held.add(number)
        coverage = table.coverage()
        assert list(coverage.forgotten) == record.forgotten()
        record.held = data.draw(st.sets(st.sampled_from(sorted(record.held)), min_size=1))
        table.retain(record.held, table.seen)
        coverage = table.coverage()
        assert list(coverage.gaps) == record.gaps()
        assert list(coverage.forgotten) == record.forgotten()
        assert coverage.whole_since_ms is None
    again = FrameTable(
        table.stamps(),
        table.gaps(),
        first_ms=table.first_ms,
        last_ms=table.last_ms,
        seen=table.seen,
        whole_from=table.seen,
    )
    assert again.coverage() == table.coverage()


def test_only_the_longest_stretches_are_reported() -> None:
    table = FrameTable()
    for number in range(400):
        table.add(FrameStamp(number * 10), after_gap=False)
    held = {n for n in range(400) if n % 4 == 0} - {100, 200, 396}
    table.retain(held, 400)
    forgotten = table.coverage().forgotten
    assert len(forgotten) == MAX_FORGOTTEN
    assert {(960, 1040), (1960, 2040)} <= set(forgotten)
    assert list(forgotten) == sorted(forgotten)
    assert forgotten[-1] == (3920, 3990), "to the last frame, which is lost, too"
    assert forgotten[0] == (960, 1040)
    assert forgotten[1][0] > 1040, "of equal ones the newer"


def whole_since(rig: Rig) -> int | None:
    """Counted out: frame by frame back from the newest, in every layer."""
    since = None
    for frame in range(rig.frame - 1, -1, -1):
        patches = {(frame, patch) for patch in range(PER_FRAME)}
        if not all(patches <= set(rig.held(layer)) for layer in range(LAYERS)):
            break
        since = frame * 100
    return since


@settings(max_examples=at_most(40), deadline=None)
@given(
    name=st.sampled_from(sorted(POLICIES)),
    budget=st.integers(20, 40),
    axes=st.sampled_from([1, 3]),
    rounds=st.lists(st.integers(1, 4), min_size=1, max_size=6),
    seed=st.integers(0, 99),
)
def test_coverage_reports_what_the_layers_hold(
    name: str, budget: int, axes: int, rounds: list[int], seed: int
) -> None:
    rig = Rig(POLICIES[name](), budget=budget, axes=axes, seed=seed)
    for frames in rounds:
        rig.push(frames)
        coverage = rig.memory.coverage()
        assert coverage.whole_since_ms == whole_since(rig)
        held = {frame for layer in range(LAYERS) for frame, _ in rig.held(layer)}
        stream = Stream([n * 100 for n in range(rig.frame)], [False] * rig.frame, held)
        assert list(coverage.forgotten) == stream.forgotten()
        restored = StreamMemory(rig.shape, rig.memory.rotary, rig.memory.config, rig.memory.policy)
        restored.restore(rig.memory.state())
        assert restored.coverage() == coverage
        rig.push(1, compress=False)
        assert rig.memory.coverage().whole_since_ms == whole_since(rig)
        rig.memory.compress()


def test_recent_frames_are_reported_as_whole() -> None:
    rig = Rig(POLICIES["hermes"](), budget=24)
    for _ in range(6):
        rig.push(4)
    coverage = rig.memory.coverage()
    assert coverage.whole_since_ms is not None
    assert coverage.whole_since_ms <= (rig.frame - 2) * 100
    assert coverage.forgotten


@pytest.mark.parametrize("policy", ["sliding-window", "attention-sinks"])
def test_a_gap_is_not_a_forgotten_stretch(policy: str) -> None:
    rig = Rig(POLICIES[policy](), budget=20)
    for _ in range(3):
        rig.push(4)
    row = rig.memory.begin_frames([FrameStamp(50_000)], LAYOUTS[1], after_gap=True)
    rig.write(row, PER_FRAME, 12)
    rig.memory.commit(row)
    rig.memory.compress()
    coverage = rig.memory.coverage()
    assert coverage.gaps == ((1100, 50_000),)
    assert all(end <= 1100 for _, end in coverage.forgotten)
    assert coverage.end_ms == 50_000


def test_a_memory_says_since_when_it_watches() -> None:
    table = FrameTable()
    assert (table.coverage().since_ms, table.coverage().lost) == (None, None)
    for stamp in (5_000, 6_000, 7_000):
        table.add(FrameStamp(stamp), after_gap=False)
    table.retain([2], 2)
    assert (table.coverage().since_ms, table.coverage().start_ms) == (5_000, 7_000)
    assert table.coverage().lost is None  # a young memory is not a robbed one


def test_a_lost_memory_is_a_gap_that_stays() -> None:
    table = FrameTable()
    table.mark_lost(1_000)
    table.add(FrameStamp(5_000), after_gap=False)
    table.add(FrameStamp(9_000, gap="dropped"), after_gap=True)
    table.mark_lost(6_000)  # too late: nothing that this memory holds was lost
    table.retain([1], 1)
    assert table.coverage().lost == (1_000, 5_000)
    assert table.coverage().gaps == ((1_000, 5_000),)
    assert table.coverage().gap_reasons == ("memory_lost",)


def test_a_reason_goes_with_its_gap() -> None:
    table = FrameTable()
    for second, reason in enumerate(["", "dropped", "", "trimmed"]):
        table.add(FrameStamp(1000 * second, gap=reason), after_gap=bool(reason))
    assert table.coverage().gap_reasons == ("dropped", "trimmed")
    assert [stamp for _, stamp in table.stamps()] == [FrameStamp(1000 * n) for n in range(4)]
    table.retain([2, 3], 4)
    assert table.coverage().gap_reasons == ("trimmed",)
    for number in range(2 * MAX_GAPS):
        table.add(FrameStamp(10_000 + number, gap=f"reason{number}"), after_gap=True)
    reasons = table.coverage().gap_reasons
    assert (len(reasons), reasons[-1]) == (MAX_GAPS, f"reason{2 * MAX_GAPS - 1}")


def test_a_clock_that_went_back_makes_no_gap_of_negative_length() -> None:
    table = FrameTable()
    table.mark_lost(9_000)
    table.add(FrameStamp(5_000), after_gap=False)
    assert table.coverage().lost == (5_000, 5_000)
