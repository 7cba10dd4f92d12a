"""Every frame is kept on the host, and those similar to a question are fetched."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchmarks.baselines.retrieval import (
    FrameStore,
    RetrievalBranch,
    RetrievalConfig,
    RetrievalMemory,
    StoredFrame,
    most_similar,
    question_vector,
)
from hermes.errors import InvalidInput
from hermes.memory import CacheShape, FrameLayout, FrameStamp, Rotary
from hermes.memory.slab import Slab
from tests.support.examples import at_most

SHAPE = CacheShape(
    layers=2, kv_heads=2, head_dim=4, axes=1, dtype=torch.float32, device=torch.device("cpu")
)
ROTARY = Rotary(torch.ones(4) / 10, torch.zeros(4, dtype=torch.int64))
PREFIX = 3
LAYOUT = FrameLayout.sequential(2)


def make(fetched: int = 2, window: int = 2, max_frames: int | None = None) -> RetrievalMemory:
    config = RetrievalConfig(
        fetched, window, position_limit=200, position_reserve=20, max_frames=max_frames
    )
    memory = RetrievalMemory(SHAPE, ROTARY, config)
    row = memory.begin_prefix(PREFIX, LAYOUT)
    attend(row, torch.zeros((2, PREFIX, 4)))
    memory.commit(row)
    return memory


def attend(row: object, keys: Tensor, values: Tensor | None = None) -> Tensor:
    """One forward pass: the same keys in every layer. Returns what the last layer saw."""
    heads = torch.ones((4, keys.shape[1], 4))
    for layer in range(SHAPE.layers):
        out: Tensor = row.attend(layer, heads, keys, keys if values is None else values, 0.5)  # type: ignore[attr-defined]
    return out


def push(memory: RetrievalMemory, keys: Tensor, values: Tensor | None = None) -> None:
    """One frame whose tokens all have these keys [kv_heads, head_dim]."""
    row = memory.begin_frame(FrameStamp(memory.coverage().frames_seen * 100))
    wide = None if values is None else values[:, None].expand(2, 2, 4)
    attend(row, keys[:, None].expand(2, 2, 4), wide)
    memory.commit(row)


def random_keys(count: int, seed: int = 0) -> Tensor:
    return torch.randn((count, 2, 4), generator=torch.Generator().manual_seed(seed))


def ask(memory: RetrievalMemory, query: Tensor) -> RetrievalBranch:
    """A branch that has read a question of one token, with `query` [kv_heads, head_dim]."""
    branch = memory.branch(4)
    assert isinstance(branch, RetrievalBranch)
    row = branch.row(1)
    for layer in range(SHAPE.layers):
        heads = query.repeat_interleave(2, dim=0)[:, None]
        row.attend(layer, heads, torch.zeros((2, 1, 4)), torch.zeros((2, 1, 4)), 0.5)
    branch.commit(row)
    return branch


@settings(max_examples=at_most(25), deadline=None)
@given(frames=st.integers(1, 90), planted=st.data())
def test_a_planted_frame_is_found(frames: int, planted: st.DataObject) -> None:
    memory, keys = make(), random_keys(frames)
    at = planted.draw(st.integers(0, frames - 1))
    for key in keys:
        push(memory, key)
    branch = ask(memory, keys[at] * 0.01)  # its direction counts, not its length
    for layer in range(SHAPE.layers):
        assert at in branch.chosen[layer]
        assert branch.chosen[layer] == sorted(set(branch.chosen[layer]))
        assert len(branch.chosen[layer]) == min(2, frames)


def test_each_layer_fetches_its_own_frames() -> None:
    memory = make(fetched=1)
    keys = random_keys(6)
    for index in range(6):
        row = memory.begin_frame(FrameStamp(index))
        for layer in range(2):
            key = keys[(index + layer) % 6][:, None].expand(2, 2, 4)
            row.attend(layer, torch.zeros((4, 2, 4)), key, key, 0.5)
        memory.commit(row)
    assert ask(memory, keys[3]).chosen == {0: [3], 1: [2]}


def test_what_was_fetched_is_what_is_read() -> None:
    """One frame of five is fetched: the answer is made of its values and the prefix's alone."""
    memory, keys = make(fetched=1), random_keys(5)
    for index, key in enumerate(keys):
        push(memory, key, torch.full((2, 4), float(index + 1)))
    with ask(memory, keys[2]) as branch:
        assert isinstance(branch.slab, Slab)
        values = branch.slab.values[0, 0, :, 0].tolist()
        assert values == [0.0] * PREFIX + [3.0, 3.0]
        cos, sin = ROTARY.tables(torch.arange(5)[None])
        raw = torch.cat((torch.zeros((2, PREFIX, 4)), keys[2][:, None].expand(2, 2, 4)), dim=1)
        half = torch.cat((-raw[..., 2:], raw[..., :2]), dim=-1)
        assert torch.allclose(branch.slab.rotated_keys(0, 5, ROTARY), raw * cos + half * sin)
        assert branch.position == PREFIX + 2 + 1
        again = branch.row(1)  # the answer's token is like another frame, and reads the same
        nothing = torch.zeros((2, 1, 4))
        again.attend(0, keys[4].repeat_interleave(2, 0)[:, None], nothing, nothing, 0.5)
        assert branch.chosen[0] == [2]
        assert branch.slab.values[0, 0, :, 0].tolist() == values
    assert branch.slab.readers == 0


def test_an_open_branch_sees_no_later_frames() -> None:
    memory, keys = make(fetched=3, max_frames=70), random_keys(300)
    for key in keys[:70]:
        push(memory, key)
    branch = memory.branch(4)
    expected = ask(memory, keys[5]).chosen
    for key in keys[70:]:
        push(memory, key)
    row = branch.row(1)
    for layer in range(2):
        heads = keys[5].repeat_interleave(2, dim=0)[:, None]
        row.attend(layer, heads, torch.zeros((2, 1, 4)), torch.zeros((2, 1, 4)), 0.5)
    assert isinstance(branch, RetrievalBranch)
    assert branch.chosen == expected
    assert branch.coverage.end_ms == 6_900


def test_host_memory_is_bounded_by_max_frames() -> None:
    memory, keys = make(max_frames=5), random_keys(200)
    for key in keys[:20]:
        push(memory, key)
    size = memory.store.bytes
    assert size == 5 * LAYOUT.tokens * SHAPE.bytes_per_token
    for key in keys[20:]:
        push(memory, key)
    assert memory.store.bytes == size
    assert memory.store.capacity <= 64
    coverage = memory.coverage()
    assert (coverage.start_ms, coverage.end_ms, coverage.frames) == (19_500, 19_900, 5)
    assert 2 in ask(memory, keys[197]).chosen[0]


@given(st.integers(0, 130), st.integers(1, 10) | st.none())
@settings(max_examples=at_most(60), deadline=None)
def test_vectors_stay_with_their_frames(count: int, limit: int | None) -> None:
    store, keys = FrameStore(SHAPE, limit), random_keys(max(1, count))
    for key in keys[:count]:
        cached = key[None, :, None].expand(2, 2, 3, 4)
        store.add(StoredFrame.of(cached, cached))
    frames, vectors = store.view()
    assert len(frames) == len(store) == vectors.shape[1] == min(count, limit or count)
    for index, frame in enumerate(frames):
        expected = torch.nn.functional.normalize(frame.keys[:, :, 0].flatten(1), dim=-1)
        assert torch.allclose(vectors[:, index], expected, atol=1e-6)
        assert torch.equal(frame.keys[0, :, 0], keys[count - len(frames) + index])


def test_queries_of_a_group_are_summed() -> None:
    """As if the key head were repeated for each of its query heads."""
    query = torch.randn((4, 5, 4), generator=torch.Generator().manual_seed(1))
    vectors = torch.nn.functional.normalize(random_keys(40).flatten(1), dim=-1)
    mean = query.mean(dim=1).flatten()
    repeated = vectors.view(40, 2, 4).repeat_interleave(2, dim=1).flatten(1)
    by_cosine = torch.nn.functional.cosine_similarity(repeated, mean[None], dim=1).topk(7).indices
    assert most_similar(question_vector(query, 2), vectors, 7) == sorted(by_cosine.tolist())


def test_of_equally_similar_frames_the_newer_is_fetched() -> None:
    assert most_similar(torch.ones(2), torch.ones((5, 2)), 2) == [3, 4]


def test_the_window_slides() -> None:
    memory = make(window=2)
    for key in random_keys(9):
        push(memory, key)
    assert memory.window_bytes <= 3 * LAYOUT.tokens * SHAPE.bytes_per_token
    row = memory.begin_frame(FrameStamp(1_000))
    assert row.start == PREFIX + 2 * LAYOUT.tokens
    memory.abandon(row)
    assert len(memory.store) == memory.coverage().frames == 9


def test_gaps_are_reported() -> None:
    memory = make()
    push(memory, random_keys(1)[0])
    row = memory.begin_frame(FrameStamp(9_000), after_gap=True)
    attend(row, torch.zeros((2, 2, 4)))
    memory.commit(row)
    assert memory.coverage().gaps == ((0, 9_000),)


def test_bad_input_is_named() -> None:
    for name in ("fetched_frames", "window_frames", "window_slack", "max_frames"):
        values = {"fetched_frames": 1, "window_frames": 1, "position_limit": 100, name: 0}
        with pytest.raises(InvalidInput) as refused:
            RetrievalConfig(**values)
        assert refused.value.field == name
    with pytest.raises(InvalidInput, match="exceed the model's 200 positions"):
        make(fetched=100)
    empty = RetrievalMemory(SHAPE, ROTARY, RetrievalConfig(1, 1, 200, position_reserve=8))
    for call in (lambda: empty.branch(1), lambda: empty.begin_frame(FrameStamp(0))):
        with pytest.raises(InvalidInput, match="prefix comes first"):
            call()
    with pytest.raises(InvalidInput, match="one prefix"):
        make().begin_prefix(1, LAYOUT)
