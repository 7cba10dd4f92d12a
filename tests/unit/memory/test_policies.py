"""What each policy keeps, on caches that are plain numbers."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes.errors import InvalidInput
from hermes.memory import (
    POLICIES,
    AttentionSinks,
    Bands,
    CacheShape,
    Candidates,
    FrameLayout,
    FrameStamp,
    Hermes,
    HermesConfig,
    MemoryConfig,
    RetentionPolicy,
    Rotary,
    SlidingWindow,
    StreamMemory,
    UniformFrames,
    rotate,
)
from tests.support.examples import at_most
from tests.unit.memory.test_scores import share, slow_scores

LAYERS, PREFIX, PER_FRAME = 10, 2, 4
BANDS = Bands.of(LAYERS)
LAYOUTS = {1: FrameLayout.sequential(PER_FRAME), 3: FrameLayout.grid(2, 2, 2)}


class Rig:
    """A memory without a model: keys and values are noise, attention is what a test says."""

    def __init__(
        self,
        policy: RetentionPolicy,
        *,
        budget: int = 24,
        axes: int = 1,
        eager: bool = False,
        seed: int = 0,
    ) -> None:
        self.shape = CacheShape(LAYERS, 2, 8, axes, torch.float32, torch.device("cpu"))
        frequencies = torch.rand(4, generator=torch.Generator().manual_seed(seed)).sort().values
        rotary = Rotary(frequencies.repeat(2), (torch.arange(4) % axes).repeat(2))
        config = MemoryConfig(budget, 4 * PER_FRAME, 4096, 16, "eager" if eager else "lazy")
        self.memory = StreamMemory(self.shape, rotary, config, policy)
        self.generator = torch.Generator().manual_seed(seed)
        self.written: dict[tuple[int, int, int], tuple[torch.Tensor, torch.Tensor]] = {}
        row = self.memory.begin_prefix(PREFIX)
        self.write(row, PREFIX)
        self.memory.commit(row)
        self.prefix = self.memory.held.slab.keys[:, :, :PREFIX].clone()
        self.frame = 0

    def noise(self, tokens: int) -> torch.Tensor:
        return torch.randn((2, tokens, 8), generator=self.generator)

    def write(self, row: object, tokens: int, frame: int = -1) -> None:
        for layer in range(LAYERS):
            key, value = self.noise(tokens), self.noise(tokens)
            row.attend(layer, self.noise(tokens), key, value, 1.0)  # type: ignore[attr-defined]
            for patch in range(tokens):
                self.written[layer, frame, patch] = (key[:, patch], value[:, patch])

    def push(self, frames: int = 1, compress: bool = True) -> None:
        """`frames` frames; guidance with the last, then a compression."""
        layout = LAYOUTS[self.shape.axes]
        for index in range(frames):
            row = self.memory.begin_frames([FrameStamp(self.frame * 100)], layout)
            self.write(row, PER_FRAME, self.frame)
            if index == frames - 1 and self.memory.policy.guided:
                for guide in self.memory.guide([3, 5]):
                    for layer in range(LAYERS):
                        query, key, value = (self.noise(guide.tokens) for _ in range(3))
                        guide.attend(layer, query, key, value, 1.0)
            self.memory.commit(row)
            self.frame += 1
        if compress:
            self.memory.compress()

    def held(self, layer: int) -> list[tuple[int, int]]:
        slab = self.memory.held.slab
        video = slice(PREFIX, slab.length)
        return list(
            zip(
                slab.frames[layer, video].tolist(), slab.patches[layer, video].tolist(), strict=True
            )
        )


CONFIGS = [
    HermesConfig(),
    HermesConfig(smoothing="index", summary="paper", recent_frames=0),
    HermesConfig(normalise="rank", summary="pinned", summary_ring=2, recent_frames=2),
    HermesConfig(summary="off", recent_frames=1),
    HermesConfig(weights="published_code", smoothing="off", summary="paper"),
]


@settings(max_examples=at_most(25), deadline=None)
@given(
    config=st.sampled_from(CONFIGS),
    budget=st.integers(20, 40),
    axes=st.sampled_from([1, 3]),
    eager=st.booleans(),
    rounds=st.lists(st.integers(1, 4), min_size=2, max_size=8),
    seed=st.integers(0, 99),
)
def test_bounded_ordered_and_true_to_identity(
    config: HermesConfig, budget: int, axes: int, eager: bool, rounds: list[int], seed: int
) -> None:
    rig = Rig(Hermes(config), budget=budget, axes=axes, eager=eager, seed=seed)
    for frames in rounds:
        rig.push(frames)
        memory, slab = rig.memory, rig.memory.held.slab
        assert memory.video_tokens == min(budget, rig.frame * PER_FRAME) or frames
        assert memory.video_tokens <= budget
        assert torch.equal(slab.keys[:, :, :PREFIX], rig.prefix), "the prefix is pinned"
        assert memory.next_position > int(slab.positions[:, :, : slab.length].max())
        for layer in range(LAYERS):
            held = rig.held(layer)
            real = [identity for identity in held if identity[1] >= 0]
            assert real == sorted(set(real)), "stream order, nothing twice"
            for index, identity in enumerate(held):
                if identity[1] < 0:
                    assert layer in BANDS.long_term
                    continue
                key, value = rig.written[layer, *identity]
                assert torch.equal(slab.keys[layer, :, PREFIX + index], key)
                assert torch.equal(slab.values[layer, :, PREFIX + index], value)
            summaries = len(held) - len(real)
            if config.summary == "paper":
                assert summaries <= 1
            assert summaries <= config.summary_ring
            newest = range(max(0, rig.frame - config.recent_frames), rig.frame)
            for frame in newest:
                assert all((frame, patch) in real for patch in range(PER_FRAME))
            time = slab.positions[layer, 0, PREFIX : slab.length]
            assert torch.all(time.diff() >= 0) if axes == 3 else torch.all(time.diff() > 0)
        if eager and axes == 1:
            assert int(slab.positions[:, 0, : slab.length].max()) == slab.length - 1


@pytest.mark.parametrize("summary", ["paper", "pinned"])
def test_a_summary_is_the_mean_of_what_was_evicted(summary: str) -> None:
    config = HermesConfig(summary=summary, recent_frames=0)  # type: ignore[arg-type]
    rig = Rig(Hermes(config), budget=20)
    rig.push(4, compress=False)
    rig.push(3)
    slab = rig.memory.held.slab
    everything = {(frame, patch) for frame in range(7) for patch in range(PER_FRAME)}
    for layer in BANDS.long_term:
        held = rig.held(layer)
        (at,) = [index for index, identity in enumerate(held) if identity[1] < 0]
        evicted = sorted(everything - set(held))
        keys = torch.stack([rig.written[layer, *identity][0] for identity in evicted])
        values = torch.stack([rig.written[layer, *identity][1] for identity in evicted])
        assert torch.allclose(slab.keys[layer, :, PREFIX + at], keys.mean(0), atol=1e-5)
        assert torch.allclose(slab.values[layer, :, PREFIX + at], values.mean(0), atol=1e-5)
        position = int(slab.positions[layer, 0, PREFIX + at])
        if summary == "paper":
            assert at == len(held) - 1
            assert position == rig.memory.next_position - 1
        else:
            middle = evicted[len(evicted) // 2]
            assert held[at][0] == middle[0]
            assert position == PREFIX + middle[0] * PER_FRAME + middle[1]
    for layer in [*BANDS.sensory, *BANDS.working]:
        assert all(patch >= 0 for _, patch in rig.held(layer))


@pytest.mark.parametrize("axes", [1, 3])
@pytest.mark.parametrize("name", ["hermes", "hermes-paper", "hermes-published-code"])
def test_a_summary_is_the_mean_of_keys_rotated_to_its_position(name: str, axes: int) -> None:
    """As the paper says: each evicted key, rotated to its own position, is rotated further by the
    way to the summary's, and then averaged.
    """
    rig = Rig(POLICIES[name](), budget=20, axes=axes)
    rig.push(4, compress=False)
    rig.push(3, compress=False)
    slab, rotary = rig.memory.held.slab, rig.memory.rotary
    video = slice(PREFIX, slab.length)
    rotated = {
        layer: slab.rotated_keys(layer, slab.length, rotary)[:, video].clone()
        for layer in BANDS.long_term
    }
    values, positions = slab.values[:, :, video].clone(), slab.positions[:, :, video].clone()
    before = {layer: rig.held(layer) for layer in BANDS.long_term}
    rig.memory.compress()
    slab.begin_pass()
    for layer in BANDS.long_term:
        held = rig.held(layer)
        (place,) = [at for at, (_, patch) in enumerate(held) if patch < 0]
        lost = [at for at, token in enumerate(before[layer]) if token not in held]
        way = slab.positions[layer, :, PREFIX + place, None] - positions[layer][:, lost]
        expected = rotate(rotated[layer][:, lost], rotary.tables(way)).mean(dim=1)
        found = slab.rotated_keys(layer, slab.length, rotary)[:, PREFIX + place]
        assert torch.allclose(found, expected, atol=1e-5)
        mean = values[layer][:, lost].mean(dim=1)
        assert torch.allclose(slab.values[layer, :, PREFIX + place], mean, atol=1e-5)


@settings(max_examples=at_most(40), deadline=None)
@given(
    weights=st.sampled_from(["paper", "published_code"]),
    smoothing=st.sampled_from(["index", "identity"]),
    budget=st.integers(8, 23),
    seed=st.integers(0, 9999),
)
def test_the_kept_tokens_are_those_of_the_formulas(
    weights: str, smoothing: str, budget: int, seed: int
) -> None:
    """Scores, smoothing and top of section 3 as plain loops; layers hold different tokens."""
    generator, count = torch.Generator().manual_seed(seed), 24
    pool = [(frame, patch) for frame in range(8) for patch in range(PER_FRAME)]
    held = [
        sorted(pool[i] for i in torch.randperm(len(pool), generator=generator)[:count].tolist())
        for _ in range(LAYERS)
    ]
    attention = torch.rand((2, LAYERS, count), generator=generator)
    candidates = Candidates(
        torch.tensor([[frame for frame, _ in row] for row in held]),
        torch.tensor([[patch for _, patch in row] for row in held], dtype=torch.int32),
        8,
        attention,
    )
    config = HermesConfig(
        weights=weights,  # type: ignore[arg-type]
        smoothing=smoothing,  # type: ignore[arg-type]
        summary="off",
        recent_frames=0,
        agreement=0,
    )
    kept = Hermes(config).select(candidates, budget).keep.tolist()
    scores = slow_scores(attention, config)
    deeper: dict[object, float] = {}
    for layer in range(LAYERS - 1, -1, -1):
        keys: list[object] = list(held[layer]) if smoothing == "identity" else list(range(count))
        g, own = share(layer), scores[layer]
        smoothed = [
            (1 - g) * own[at] + g * deeper[key] if key in deeper else own[at]
            for at, key in enumerate(keys)
        ]
        deeper = dict(zip(keys, smoothed, strict=True))
        ranked = sorted(range(count), key=lambda at: (smoothed[at], at), reverse=True)
        edge = smoothed[ranked[budget - 1]] - smoothed[ranked[budget]]
        if edge > 1e-5:  # nearer than that, fp32 may have it the other way round
            assert kept[layer] == sorted(ranked[:budget])


def test_pinned_summaries_are_never_averaged_again_and_bounded() -> None:
    rig = Rig(Hermes(HermesConfig(summary_ring=3, recent_frames=0)), budget=20)
    rig.push(4, compress=False)
    seen: dict[int, torch.Tensor] = {}
    layer = BANDS.long_term[0]
    for _ in range(8):
        rig.push(2)
        slab = rig.memory.held.slab
        places = [i for i, identity in enumerate(rig.held(layer)) if identity[1] < 0]
        assert 1 <= len(places) <= 3
        now = {
            int(slab.positions[layer, 0, PREFIX + at]): slab.keys[layer, :, PREFIX + at].clone()
            for at in places
        }
        for position, key in now.items():
            if position in seen:
                assert torch.equal(key, seen[position])
        seen |= now
    assert len(seen) > 3


def test_the_papers_summary_includes_the_last_one() -> None:
    rig = Rig(Hermes(HermesConfig(summary="paper", recent_frames=0)), budget=20)
    rig.push(4, compress=False)
    rig.push(2)
    layer, slab = BANDS.long_term[0], rig.memory.held.slab
    first = slab.keys[layer, :, PREFIX + 19].clone()
    before = set(rig.held(layer))
    rig.push(2)
    new = {(frame, patch) for frame in (6, 7) for patch in range(PER_FRAME)}
    evicted = [i for i in (before | new) - set(rig.held(layer)) if i[1] >= 0]
    parts = [rig.written[layer, *identity][0] for identity in evicted] + [first]
    assert torch.allclose(slab.keys[layer, :, PREFIX + 19], torch.stack(parts).mean(0), atol=1e-5)


def test_sliding_window_sinks_and_uniform() -> None:
    window = Rig(SlidingWindow(), budget=12)
    sinks = Rig(AttentionSinks(sinks=4), budget=12)
    uniform = Rig(UniformFrames(), budget=12)
    for rig in (window, sinks, uniform):
        for _ in range(10):
            rig.push(2)
    assert {frame for frame, _ in window.held(0)} == {17, 18, 19}
    assert {frame for frame, _ in sinks.held(0)} == {0, 18, 19}
    kept = sorted({frame for frame, _ in uniform.held(0)})
    assert kept[0] == 0
    assert kept[-1] == 19
    assert 5 <= kept[1] <= 14, "somewhere in the middle"
    for rig in (window, sinks, uniform):
        assert all(rig.held(layer) == rig.held(0) for layer in range(LAYERS))


def test_moving_is_exact_a_thousand_times_over() -> None:
    """A cache in bf16 that is re-indexed 1,000 times turns its keys as if it had been once."""
    shape = CacheShape(1, 1, 8, 1, torch.bfloat16, torch.device("cpu"))
    rotary = Rotary(torch.tensor([1.0, 0.1, 0.01, 0.001] * 2), torch.zeros(8, dtype=torch.int64))
    config = MemoryConfig(6, 4, 64, 8, "eager")
    memory = StreamMemory(shape, rotary, config, AttentionSinks(sinks=3))
    memory.commit(memory.begin_prefix(1))
    layout = FrameLayout.sequential(1)
    generator = torch.Generator().manual_seed(1)
    for number in range(1003):
        row = memory.begin_frames([FrameStamp(number)], layout)
        key = torch.randn((1, 1, 8), generator=generator).bfloat16()
        row.attend(0, key, key, key, 1.0)
        memory.commit(row)
        if number == 2:
            first = memory.held.slab.rotated_keys(0, 4, rotary).clone()
        memory.compress()
    memory.held.slab.begin_pass()
    assert torch.equal(memory.held.slab.rotated_keys(0, 4, rotary), first)


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_every_policy_keeps_to_its_budget(name: str) -> None:
    policy = POLICIES[name]()
    assert policy.name == name
    rig = Rig(policy, budget=24)
    for _ in range(6):
        rig.push(4)
        assert rig.memory.video_tokens <= 24
    assert rig.memory.coverage().frames_seen == 24


def test_bad_input_is_named_and_changes_nothing() -> None:
    rig = Rig(Hermes(), budget=20)
    rig.push(4, compress=False)
    row = rig.memory.begin_frames([FrameStamp(1)], LAYOUTS[1])
    rig.write(row, PER_FRAME, 4)
    rig.memory.commit(row)
    rig.push(1, compress=False)
    length, position = rig.memory.length, rig.memory.next_position
    guide = rig.memory.held.guidance
    rig.memory.held.guidance = ()
    with pytest.raises(InvalidInput, match="needs guidance"):
        rig.memory.compress()
    rig.memory.held.guidance = guide
    guide[0][0, 0] = torch.nan
    with pytest.raises(InvalidInput, match="not finite"):
        rig.memory.compress()
    assert (rig.memory.length, rig.memory.next_position) == (length, position)
    big = Rig(Hermes(HermesConfig(recent_frames=6)), budget=20)
    big.push(4, compress=False)
    with pytest.raises(InvalidInput, match="recent_frames"):
        big.push(3)
