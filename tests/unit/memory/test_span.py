"""Which tokens a span of time holds, and how much of it a memory covers."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hermes.errors import InvalidInput
from hermes.memory import POLICIES, FrameStamp, SlidingWindow, SpanCoverage, Waiting
from hermes.memory.coverage import FrameTable
from hermes.memory.frame_layout import FIRST_TEXT, PLACES
from hermes.memory.present import until
from hermes.memory.slab import STANDS
from hermes.question import Span
from tests.support.examples import at_most
from tests.unit.memory.test_policies import LAYERS, LAYOUTS, PREFIX, Rig


@dataclass
class Stream:
    """A stream as it was, and a table that was told of it."""

    table: FrameTable = field(default_factory=FrameTable)
    times: list[int] = field(default_factory=list)
    after_gap: list[bool] = field(default_factory=list)
    held: set[int] = field(default_factory=set)
    whole_from: int = 0

    @classmethod
    def drawn(cls, data: st.DataObject) -> Stream:
        made, now = cls(), data.draw(st.integers(0, 20))
        for _ in range(data.draw(st.integers(1, 3))):
            for _ in range(data.draw(st.integers(1, 6))):
                now += data.draw(st.integers(0, 9))
                gap = data.draw(st.booleans())
                made.held.add(made.table.add(FrameStamp(now, now + 7), after_gap=gap))
                made.times.append(now)
                made.after_gap.append(gap and len(made.times) > 1)
            made.held = data.draw(st.sets(st.sampled_from(sorted(made.held)), min_size=1))
            made.whole_from = max(
                made.whole_from, data.draw(st.integers(max(made.held), len(made.times)))
            )
            made.table.retain(made.held, made.whole_from)
        return made

    def kind(self, moment: int) -> str:
        """What is known of the millisecond after a moment."""
        if not self.times[0] <= moment < self.times[-1]:
            return "unseen"
        after = next(n for n, time in enumerate(self.times) if time > moment)
        oldest = self.times[min(self.held)]
        if self.after_gap[after] and self.times[after] > oldest:
            return "unseen"
        if not {after - 1, after} <= self.held:
            return "forgotten"
        return "whole" if after > self.whole_from else "thinned"


@settings(max_examples=at_most(150), deadline=None)
@given(st.data(), st.booleans())
def test_the_four_parts_are_counted_out_and_add_up_to_the_span(
    data: st.DataObject, media: bool
) -> None:
    """Millisecond by millisecond. In the file, all is 7 ms later."""
    stream, later = Stream.drawn(data), 7 if media else 0
    first, last = sorted(data.draw(st.tuples(st.integers(0, 160), st.integers(0, 160))))
    found = stream.table.times(media=media).within(first + later, last + later).coverage
    kinds = [stream.kind(moment) for moment in range(first, last)]
    parts = (found.whole_ms, found.thinned_ms, found.forgotten_ms, found.unseen_ms)
    assert parts == tuple(kinds.count(kind) for kind in ("whole", "thinned", "forgotten", "unseen"))
    assert sum(parts) == found.end_ms - found.start_ms == last - first
    inside = [n for n in stream.held if first <= stream.times[n] <= last]
    assert found.frames == len(inside)


@settings(max_examples=at_most(100), deadline=None)
@given(st.data())
def test_an_open_span_ends_where_the_frames_do(data: st.DataObject) -> None:
    stream = Stream.drawn(data)
    at = data.draw(st.integers(0, 160))
    times = stream.table.times(media=False)
    before, after = times.within(None, at), times.within(at, None)
    assert before.coverage.start_ms == min(at, stream.times[0])
    assert after.coverage.end_ms == max(at, stream.times[-1])
    for found in (before.coverage, after.coverage):
        parts = (found.whole_ms, found.thinned_ms, found.forgotten_ms, found.unseen_ms)
        assert sum(parts) == found.end_ms - found.start_ms
        assert min(parts) >= 0


def test_a_clock_that_was_set_back_loses_no_frame_and_no_millisecond() -> None:
    table = FrameTable()
    for time in (1_000, 2_000, 3_000, 1_500, 2_500, 4_000):
        table.add(FrameStamp(time), after_gap=False)
    found = table.times(media=False).within(1_400, 2_600)
    assert found.runs == ((1, 1), (3, 4))
    assert found.coverage == SpanCoverage(1_400, 2_600, frames=3, whole_ms=1_200)


# -- what stood when a span began -----------------------------------------------


@settings(max_examples=at_most(100), deadline=None)
@given(st.data())
def test_it_is_known_of_every_held_token_until_when_it_stood(data: st.DataObject) -> None:
    """Whatever was evicted since, in whatever order; and the picture's sides may change."""
    places, frames = 3, data.draw(st.integers(1, 10))
    taken: list[set[int]] = []
    sizes: list[int] = []  # how often the sides had changed before each frame
    for number in range(frames):
        resized = number > 0 and data.draw(st.integers(0, 4)) == 0
        sizes.append(sizes[-1] + resized if sizes else 0)
        every = number == 0 or resized
        taken.append(
            set(range(places))
            if every
            else data.draw(st.sets(st.integers(0, places - 1), min_size=1))
        )

    def stood_until(frame: int, place: int) -> int:
        for later in range(frame + 1, seen):
            if sizes[later] != sizes[frame] or place in taken[later]:
                return later
        return STANDS

    held: list[list[tuple[int, int]]] = [[], []]
    known: Tensor = torch.zeros((2, 0), dtype=torch.int64)
    seen = 0
    while seen < frames:
        before, seen = seen, data.draw(st.integers(seen + 1, frames))
        new = [(n, place) for n in range(before, seen) for place in sorted(taken[n])]
        held = [[*layer, *new] for layer in held]
        known = torch.cat((known, torch.full((2, len(new)), STANDS)), dim=1)
        numbers = torch.tensor([[n for n, _ in layer] for layer in held])
        patches = torch.tensor(
            [[sizes[n] * PLACES + place for n, place in layer] for layer in held]
        )
        known = until(numbers, patches.to(torch.int32), known, sizes[seen - 1])
        expected = [[stood_until(*token) for token in layer] for layer in held]
        assert known.tolist() == expected
        keep = data.draw(st.integers(1, len(held[0])))
        kept = [sorted(data.draw(st.permutations(range(len(layer))))[:keep]) for layer in held]
        held = [[layer[at] for at in some] for layer, some in zip(held, kept, strict=True)]
        known = known.gather(1, torch.tensor(kept))


def test_summaries_and_texts_stand_for_no_place() -> None:
    frames = torch.tensor([[0, 0, 1, 1, 2]])
    patches = torch.tensor([[-1, FIRST_TEXT, -1, FIRST_TEXT, 0]], dtype=torch.int32)
    found = until(frames, patches, torch.full((1, 5), STANDS), 0)
    assert found.tolist() == [[STANDS] * 5]


# -- branches of a span ----------------------------------------------------------


def read(rig: Rig, span: Span) -> list[list[int]]:
    """The frames of the tokens that a branch of a span reads, by layer, without the prefix."""
    with rig.memory.branch(1, span=span) as branch:
        assert branch.slab.counts is not None
        counts = branch.slab.counts.tolist()
        return [
            branch.slab.frames[layer, PREFIX:count].tolist() for layer, count in enumerate(counts)
        ]


@settings(max_examples=at_most(40), deadline=None)
@given(
    name=st.sampled_from(sorted(POLICIES)),
    axes=st.sampled_from([1, 3]),
    rounds=st.lists(st.integers(1, 4), min_size=1, max_size=6),
    edges=st.tuples(st.integers(-2, 26), st.integers(-2, 26)),
    seed=st.integers(0, 99),
)
def test_a_branch_reads_the_tokens_of_the_spans_frames_and_their_summaries(
    name: str, axes: int, rounds: list[int], edges: tuple[int, int], seed: int
) -> None:
    rig = Rig(POLICIES[name](), axes=axes, seed=seed)
    for frames in rounds:
        rig.push(frames)
    first, last = sorted(edges)
    slab, span = rig.memory.held.slab, Span(100 * first, 100 * last)
    expected = [
        [n for n in slab.frames[layer, PREFIX : slab.length].tolist() if first <= n <= last]
        for layer in range(LAYERS)
    ]
    if not any(expected):
        with pytest.raises(InvalidInput) as refused:
            rig.memory.branch(1, span=span)
        assert refused.value.field == "question.span"
        return
    assert read(rig, span) == expected
    with rig.memory.branch(1, span=span) as branch:
        for layer in range(LAYERS):
            keys, values = branch.slab.read(layer, branch.seen, rig.memory.rotary)
            whole, all_values = slab.read(layer, slab.length, rig.memory.rotary)
            numbers = slab.frames[layer, : slab.length]
            inside = (numbers < 0) | ((numbers >= first) & (numbers <= last))
            assert torch.equal(keys, whole[:, inside])
            assert torch.equal(values, all_values[:, inside])
        assert branch.coverage.frames == len({n for layer in expected for n in layer})
        assert branch.span is not None


def test_a_branch_of_a_span_is_no_reader_of_the_memory() -> None:
    """It has copies, so a compression needs no second slab, and what it reads stays as it is."""
    rig = Rig(SlidingWindow())
    rig.push(6)
    before = rig.memory.held.slab
    with rig.memory.branch(1, span=Span(400, 500)) as branch:
        kept = branch.slab.values[:, :, : branch.seen].clone()
        rig.push(4)
        assert rig.memory.held.slab is before
        assert torch.equal(branch.slab.values[:, :, : branch.seen], kept)


def test_the_room_of_a_branch_is_used_again() -> None:
    rig = Rig(SlidingWindow())
    rig.push(6)
    places = set()
    for _ in range(5):
        with rig.memory.branch(1, span=Span(400, 500)) as branch:
            places.add(branch.slab.values.data_ptr())
    assert len(places) <= 2


def test_a_span_of_which_nothing_is_held_says_why() -> None:
    rig = Rig(SlidingWindow(), budget=8)
    with pytest.raises(InvalidInput, match="no frame was seen yet"):
        rig.memory.branch(1, span=Span(0, 5))
    rig.push(4)
    row = rig.memory.begin_frames([FrameStamp(9_000)], LAYOUTS[1], after_gap=True)
    rig.write(row, 4, 4)
    rig.memory.commit(row)
    for span, why in (
        (Span(None, -1), "before the first frame, which was seen at 1970-01-01T00:00:00"),
        (Span(9_001, None), "after the newest frame, which was seen at 1970-01-01T00:00:09"),
        (Span(500, 8_000), r"gap: no frame was seen from 1970-01-01T00:00:00\.300"),
        (Span(0, 50), r"forgotten: what memory still holds was seen from 1970-01-01T00:00:00\.200"),
        (Span(201, 299), "between two"),
        (Span(0, 9_000, media=True), "no frame of this camera has a time in a file"),
    ):
        with pytest.raises(InvalidInput, match=why):
            rig.memory.branch(1, span=span)


def test_coverage_is_of_the_span_alone() -> None:
    rig = Rig(SlidingWindow(), budget=24)
    rig.push(3)
    for at in (1_000, 1_100, 1_200):
        stamp = FrameStamp(at, 10 * at, "dropped")
        row = rig.memory.begin_frames([stamp], LAYOUTS[1], after_gap=at == 1_000)
        rig.write(row, 4, rig.memory.coverage().frames_seen)
        rig.memory.commit(row)
    with rig.memory.branch(1, span=Span(150, 1_150)) as branch:
        found, span = branch.coverage, branch.span
    assert (found.start_ms, found.end_ms, found.frames, found.frames_seen) == (200, 1_100, 3, 3)
    assert (found.gaps, found.gap_reasons) == (((200, 1_000),), ("dropped",))
    assert found.whole_since_ms == 200
    assert span == SpanCoverage(150, 1_150, frames=3, whole_ms=200, unseen_ms=800)
    with rig.memory.branch(1, span=Span(10_500, 12_000, media=True)) as branch:
        found, span = branch.coverage, branch.span
    assert (found.media_start_ms, found.media_end_ms, found.frames) == (11_000, 12_000, 2)
    assert span == SpanCoverage(
        1_050, 1_200, frames=2, whole_ms=1_500, media_start_ms=10_500, media_end_ms=12_000
    )


def test_a_frame_that_waits_counts_if_it_is_within() -> None:
    rig = Rig(SlidingWindow(), budget=24)
    rig.push(3)
    waiting = Waiting(FrameStamp(300))
    with rig.memory.branch(1, span=Span(150, None), waiting=waiting) as branch:
        assert branch.span == SpanCoverage(150, 300, frames=2, whole_ms=150)
        assert (branch.coverage.end_ms, branch.coverage.frames) == (300, 2)
    after_gap = Waiting(FrameStamp(300), after_gap=True)
    with rig.memory.branch(1, span=Span(150, 250), waiting=after_gap) as branch:
        assert branch.span == SpanCoverage(150, 250, frames=1, whole_ms=50, unseen_ms=50)
        assert branch.coverage.end_ms == 200
