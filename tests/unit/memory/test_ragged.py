"""Frames of any number of tokens in one memory: what holds of frames of one size holds of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes.errors import InvalidInput
from hermes.memory import (
    POLICIES,
    AppendRow,
    Candidates,
    FrameLayout,
    FrameStamp,
    Hermes,
    HermesConfig,
    RetentionPolicy,
    look_inside,
)
from hermes.memory.frame_layout import FIRST_TEXT, PLACES
from hermes.memory.novelty import novelty
from hermes.memory.positions import Clock
from hermes.memory.scores import top
from hermes.memory.texts import with_whole_texts
from tests.support.examples import at_most
from tests.unit.memory.test_policies import BANDS, CONFIGS, LAYERS, PREFIX, Rig

SIDES = [(2, 2), (1, 3), (3, 2)]


class Ragged(Rig):
    """A memory whose frames have layouts of their own."""

    def __init__(self, policy: RetentionPolicy, *, budget: int, axes: int, eager: bool = False):
        with torch.random.fork_rng():
            torch.manual_seed(0)  # equal rotations
            super().__init__(policy, budget=budget, axes=axes, eager=eager)
        self.taken: dict[int, FrameLayout] = {}
        self.changes: dict[int, int] = {}
        self.whole_from = 0
        """The first frame from which on no picture lost anything."""

    def push_frames(self, layouts: Sequence[FrameLayout], compress: bool = True) -> AppendRow:
        """All in one row; guidance with them, then a compression."""
        stamps = [FrameStamp(100 * (self.frame + at)) for at in range(len(layouts))]
        row = self.memory.begin_frames(stamps, layouts)
        for layout in layouts:
            before = self.taken.get(self.frame - 1)
            changes = self.changes.get(self.frame - 1, 0)
            self.changes[self.frame] = changes + bool(before and before.sides != layout.sides)
            self.taken[self.frame] = layout
            self.frame += 1
        numbers = self.numbers(range(self.frame - len(layouts), self.frame))
        for layer in range(LAYERS):
            key, value = self.noise(row.tokens), self.noise(row.tokens)
            row.attend(layer, self.noise(row.tokens), key, value, 1.0)
            for at, identity in enumerate(numbers):
                self.written[layer, *identity] = (key[:, at], value[:, at])
        for guide in self.memory.guide([3, 5]) if self.memory.policy.guided else ():
            for layer in range(LAYERS):
                query, key, value = (self.noise(guide.tokens) for _ in range(3))
                guide.attend(layer, query, key, value, 1.0)
        self.memory.commit(row)
        if compress:
            held = [self.held(layer) for layer in range(LAYERS)]
            self.memory.compress()
            for layer in range(LAYERS):
                for lost in set(held[layer]) - set(self.held(layer)):
                    self.whole_from = max(self.whole_from, self.shown_until(lost, held[layer]))
        return row

    def shown_until(self, token: tuple[int, int], held: Sequence[tuple[int, int]]) -> int:
        """The frame with the next token of the same place: until then this one stands for it."""
        frame, patch = token
        if patch < 0:
            return 0  # a summary stands for no picture
        changes = self.changes[self.frame - 1]
        resized = min(number for number, count in self.changes.items() if count == changes)
        last = resized if frame < resized else self.frame
        return min(
            (number for number, place in held if place == patch and number > frame), default=last
        )

    def numbers(self, frames: Sequence[int]) -> list[tuple[int, int]]:
        """The identities that the tokens of these frames should have, in order."""
        return [
            (frame, patch + PLACES * self.changes[frame])
            for frame in frames
            for patch in self.taken[frame].patches.tolist()
        ]


def layout_of(axes: int, sides: tuple[int, int], part: Sequence[int], dense: bool) -> FrameLayout:
    whole = FrameLayout.grid(*sides, 1)
    if axes == 1:
        whole = replace(FrameLayout.sequential(sides[0] * sides[1]), sides=sides)
    kept = sorted({at % whole.tokens for at in part})
    return whole.part(torch.tensor(kept), dense=dense and axes == 1)


frames = st.tuples(
    st.sampled_from(SIDES), st.lists(st.integers(0, 5), min_size=1, max_size=6), st.booleans()
)


@settings(max_examples=at_most(30), deadline=None)
@given(
    config=st.sampled_from(CONFIGS),
    budget=st.integers(20, 40),
    axes=st.sampled_from([1, 3]),
    eager=st.booleans(),
    rounds=st.lists(st.lists(frames, min_size=1, max_size=3), min_size=2, max_size=6),
)
def test_bounded_ordered_and_true_to_identity(
    config: HermesConfig,
    budget: int,
    axes: int,
    eager: bool,
    rounds: list[list[tuple[tuple[int, int], list[int], bool]]],
) -> None:
    rig = Ragged(Hermes(config), budget=budget, axes=axes, eager=eager)
    total = 0
    for chosen in rounds:
        layouts = [layout_of(axes, *frame) for frame in chosen]
        tokens = sum(layout.tokens for layout in layouts)
        if tokens > rig.memory.room():
            with pytest.raises(InvalidInput, match="exceed"):
                rig.push_frames(layouts)
            continue
        rig.push_frames(layouts)
        total += tokens
        memory, slab = rig.memory, rig.memory.held.slab
        assert memory.video_tokens <= budget
        assert total > budget or memory.video_tokens == total
        assert torch.equal(slab.keys[:, :, :PREFIX], rig.prefix), "the prefix is pinned"
        assert memory.next_position > int(slab.positions[:, :, : slab.length].max())
        for layer in range(LAYERS):
            held = rig.held(layer)
            real = [identity for identity in held if identity[1] >= 0]
            order = rig.numbers(sorted({frame for frame, _ in real}))
            assert real == [identity for identity in order if identity in set(real)]
            for index, identity in enumerate(held):
                if identity[1] < 0:
                    assert layer in BANDS.long_term
                    continue
                key, value = rig.written[layer, *identity]
                assert torch.equal(slab.keys[layer, :, PREFIX + index], key)
                assert torch.equal(slab.values[layer, :, PREFIX + index], value)
            newest = range(max(0, rig.frame - config.recent_frames), rig.frame)
            assert set(rig.numbers(newest)) <= set(real)
            time = slab.positions[layer, 0, PREFIX : slab.length]
            assert torch.all(time.diff() >= 0) if axes == 3 else torch.all(time.diff() > 0)
        expected = None if rig.whole_from == rig.frame else 100 * rig.whole_from
        assert memory.coverage().whole_since_ms == expected
        contents = look_inside(memory)
        for frame in contents.layers[0].frames:
            assert contents.taken[frame.number] == rig.taken[frame.number].tokens
            assert 0 <= contents.share(frame) <= 1


@settings(max_examples=at_most(25), deadline=None)
@given(axes=st.sampled_from([1, 3]), chosen=st.lists(frames, min_size=1, max_size=6))
def test_one_row_of_frames_equals_rows_of_one_frame(
    axes: int, chosen: list[tuple[tuple[int, int], list[int], bool]]
) -> None:
    layouts = [layout_of(axes, *frame) for frame in chosen]
    layouts = [layout.led_by(at % 3) for at, layout in enumerate(layouts)]
    policy = POLICIES["sliding-window"]()
    together, alone = (Ragged(policy, budget=60, axes=axes) for _ in range(2))
    if sum(layout.tokens for layout in layouts) > together.memory.room():
        return
    together.push_frames(layouts)
    for layout in layouts:
        alone.push_frames([layout])
    ours, theirs = together.memory.held, alone.memory.held
    video = slice(PREFIX, ours.slab.length)
    for name in ("positions", "frames", "patches"):
        one, other = getattr(ours.slab, name), getattr(theirs.slab, name)
        assert torch.equal(one[..., video], other[..., video]), name
    assert ours.clock.origin == theirs.clock.origin
    assert ours.clock.largest == theirs.clock.largest
    assert together.memory.coverage() == alone.memory.coverage()


def test_a_part_of_a_frame_keeps_places_and_positions() -> None:
    whole = FrameLayout.grid(2, 3, 4)
    part = whole.part(torch.tensor([0, 4]))
    assert (part.tokens, part.patches.tolist(), part.advance) == (2, [0, 4], (4, 0, 0))
    assert part.offsets.tolist() == [[0, 0], [0, 1], [0, 1]]
    clock, other = Clock(3), Clock(3)
    clock.took_frames([whole, part])
    other.took_frames([whole, whole])
    assert (clock.origin, clock.largest) == (other.origin, other.largest)
    dense = FrameLayout.sequential(6).part(torch.tensor([1, 5]), dense=True)
    assert (dense.offsets.tolist(), dense.patches.tolist()) == ([[0, 1]], [1, 5])
    assert (dense.advance, dense.extent, dense.span) == ((2,), (1,), 2)


def test_a_lead_moves_time_and_is_shortened_where_positions_end() -> None:
    rig = Ragged(POLICIES["sliding-window"](), budget=24, axes=3)
    layout = replace(FrameLayout.grid(2, 2, 0), advance=(0, 0, 0))
    row = rig.push_frames([layout, layout.led_by(5), layout.led_by(0), layout.led_by(3000)])
    times = row.positions[0, ::4].tolist()
    assert times == [2, 7, 7, 7 + 4096 // 4]  # at most a quarter of the model's positions
    for _ in range(12):
        rig.push_frames([layout.led_by(3000)])
        assert rig.memory.next_position + 16 <= 4096
    assert rig.frame == 16


def test_the_same_place_of_another_grid_is_another_part_of_the_picture() -> None:
    """A copy is compared only with what the same grid showed there."""
    rig = Ragged(Hermes(), budget=200, axes=1)
    wide, tall = (replace(FrameLayout.sequential(4), sides=sides) for sides in ((2, 2), (4, 1)))
    rig.push_frames([wide, wide, tall, tall, wide], compress=False)
    slab = rig.memory.held.slab
    patches = slab.patches[:1, PREFIX : slab.length]
    assert patches[0].view(5, 4)[:, 0].tolist() == [0, 0, PLACES, PLACES, 2 * PLACES]
    values = torch.ones((1, 2, 20, 8))
    new = novelty(values, patches).view(5, 4)
    assert new.amax(dim=1).tolist() == pytest.approx([1, 0, 1, 0, 1], abs=1e-6)


def test_marks_have_places_of_their_own() -> None:
    layout = FrameLayout.marked(2, 2)
    assert layout.patches.tolist() == [FIRST_TEXT, 0, 1, 2, 3, FIRST_TEXT + 1]


class Talking(Rig):
    """A memory whose frames have texts: 9 tokens of a picture, two marks, and a time."""

    def __init__(self, config: HermesConfig, budget: int):
        super().__init__(Hermes(config), budget=budget, axes=3)
        self.texts: dict[int, int] = {}

    def push_text(self, tokens: int) -> None:
        layout = FrameLayout.marked(3, 3).after_text(tokens)
        row = self.memory.begin_frames([FrameStamp(self.frame)], layout)
        self.texts[self.frame] = tokens + 2
        self.frame += 1
        for guide in self.memory.guide([2, 2]):
            guide.attention.copy_(torch.rand(guide.attention.shape, generator=self.generator))
        self.memory.commit(row)
        self.memory.compress()

    def cut(self, layer: int) -> int:
        """Frames of which a part of the text is held, or the text without its picture."""
        held: dict[int, list[bool]] = {}
        for frame, patch in self.held(layer):
            if patch >= 0:
                held.setdefault(frame, []).append(patch >= FIRST_TEXT)
        return sum(
            sum(texts) not in (0, self.texts[frame]) or all(texts) for frame, texts in held.items()
        )


@settings(max_examples=8, deadline=None)
@given(
    config=st.sampled_from(CONFIGS),
    budget=st.integers(36, 60),
    texts=st.lists(st.integers(0, 3), min_size=8, max_size=16),
)
def test_a_frames_text_is_kept_whole_and_with_its_picture(
    config: HermesConfig, budget: int, texts: list[int]
) -> None:
    rig = Talking(replace(config, recent_frames=1), budget)
    for tokens in texts:
        rig.push_text(tokens)
        assert rig.memory.video_tokens <= budget
        assert all(rig.cut(layer) <= 1 for layer in range(LAYERS))  # where nothing else is left
    newest = rig.frame - 1
    for layer in range(LAYERS):
        own = [patch for frame, patch in rig.held(layer) if frame == newest and patch >= 0]
        assert len(own) == 9 + rig.texts[newest]


def test_no_text_is_cut_where_there_are_other_tokens_to_evict() -> None:
    rig = Talking(HermesConfig(recent_frames=1, summary_ring=2), 60)
    cut = 0
    for number in range(20):
        rig.push_text(number % 3)
        cut += sum(rig.cut(layer) for layer in range(LAYERS))
    assert cut <= 2


def test_a_text_takes_no_room_of_tokens_that_must_stay() -> None:
    """Where only changes are taken in, each place of the picture can be of another frame."""
    frames = torch.arange(4).repeat_interleave(3)[None]
    patches = torch.tensor([[FIRST_TEXT, FIRST_TEXT + 1, place] for place in range(4)]).view(1, -1)
    scores = torch.where(patches < FIRST_TEXT, torch.inf, 0.5)
    for room, expected in (
        (4, [2, 5, 8, 11]),
        (6, [2, 5, 8, 9, 10, 11]),
        (8, [2, 5, 6, 7, 8, 9, 10, 11]),
    ):
        found = with_whole_texts(scores, frames, patches, room, 0)
        assert top(found, room)[0].tolist() == expected
    newest = torch.where(frames == 3, torch.inf, scores)  # the newest frame stays, and its text
    assert top(with_whole_texts(newest, frames, patches, 6, 0), 6)[0, -3:].tolist() == [9, 10, 11]


def test_scores_follow_a_token_where_frames_differ() -> None:
    """Layers that hold other tokens share the scores of those that they have in common."""
    held = torch.tensor([[0, 1, 1, 2], [0, 0, 1, 2]])
    patches = torch.tensor([[0, 5, 7, PLACES], [0, 3, 7, PLACES]], dtype=torch.int32)
    attention = torch.tensor([[[0.0, 0, 0, 0], [0.1, 0.9, 0.5, 0]]] * 2)
    found = Hermes(HermesConfig(summary="off", recent_frames=0, novelty=0)).select(
        Candidates(held.repeat(5, 1), patches.repeat(5, 1), 3, attention.repeat(1, 5, 1)), 2
    )
    assert found.keep.shape == (10, 2)


def test_layouts_that_do_not_fit_are_refused() -> None:
    rig = Ragged(POLICIES["sliding-window"](), budget=24, axes=1)
    layout = FrameLayout.sequential(4)
    before = rig.memory.state()
    with pytest.raises(InvalidInput, match="2 have 1 layouts"):
        rig.memory.begin_frames([FrameStamp(0)] * 2, [layout])
    with pytest.raises(InvalidInput, match="at least one token"):
        rig.memory.begin_frames([FrameStamp(0)], [layout.part(torch.tensor([], dtype=torch.int64))])
    with pytest.raises(InvalidInput, match="on 3 axes"):
        rig.memory.begin_frames([FrameStamp(0)] * 2, [layout, FrameLayout.grid(2, 2, 1)])
    assert rig.memory.state().header == before.header


@pytest.mark.parametrize("axes", [1, 3])
def test_a_state_keeps_what_frames_were_taken_in_with(axes: int) -> None:
    rig, other = (Ragged(Hermes(), budget=30, axes=axes) for _ in range(2))
    sizes: list[tuple[tuple[int, int], list[int], bool]] = [
        ((2, 2), [0, 3], True),
        ((3, 2), [0, 1, 2, 3, 4, 5], False),
        ((2, 2), [1], False),
        ((1, 3), [0, 1, 2], True),
    ]
    for _ in range(4):
        rig.push_frames([layout_of(axes, *size) for size in sizes])
    other.memory.restore(rig.memory.state())
    assert other.memory.coverage() == rig.memory.coverage()
    assert look_inside(other.memory) == look_inside(rig.memory)
    other.generator.set_state(rig.generator.get_state())
    other.frame, other.taken, other.changes = rig.frame, dict(rig.taken), dict(rig.changes)
    for one in (rig, other):
        one.push_frames([layout_of(axes, *size) for size in sizes])
    ours, theirs = rig.memory.state(), other.memory.state()
    assert ours.header == theirs.header
    for name, tensor in ours.tensors.items():
        assert torch.equal(tensor, theirs.tensors[name]), name
