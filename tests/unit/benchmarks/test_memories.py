"""One contract for all memories; and what each baseline is compared with."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks.baselines.frame_retrieval import FrameRetrieval
from benchmarks.baselines.memories import CHANGES, MEMORIES
from benchmarks.baselines.retrieval import RetrievalBranch, question_vector
from hermes.errors import InvalidInput
from hermes.evaluation.last_frames import LastFrames
from hermes.evaluation.memory import Memory
from hermes.memory import (
    Branch,
    FrameStamp,
    MemoryConfig,
    PackedPass,
    SlidingWindow,
    StreamMemory,
)
from hermes.memory.slab import Slab
from hermes.vlm import VideoMemory
from tests.support import tiny
from tests.support.slow import slow

QUESTION = "What is happening now?"
BUDGET = 96  # six frames


def logits(branch: Branch, tokens: int = 5) -> Tensor:
    """[tokens, vocabulary] of a greedy answer."""
    model, seen = tiny.model(), []
    inputs = model.question(QUESTION)
    with branch, torch.inference_mode():
        inputs = branch.opened_by(inputs)
        for _ in range(tokens):
            row = branch.row(len(inputs))
            hidden = model.forward(inputs, PackedPass([row]))
            branch.commit(row)
            seen.append(model.logits(hidden[-1]))
            inputs = model.embed([int(seen[-1].argmax())])
    return torch.stack(seen)


@pytest.fixture(params=slow(sorted(MEMORIES), "hermes-paper", "attention-sinks"))
def memory(request: pytest.FixtureRequest) -> Memory:
    return MEMORIES[request.param](tiny.model(), BUDGET, 3)


# -- the contract --------------------------------------------------------------


def test_goes_by_its_name(memory: Memory) -> None:
    assert type(MEMORIES[memory.name](tiny.model(), BUDGET, 3)) is type(memory)


def test_an_empty_memory_answers(memory: Memory) -> None:
    assert memory.ask(QUESTION, 3)
    assert memory.coverage().frames == 0


def test_feeds_and_answers(memory: Memory) -> None:
    memory.feed(tiny.pictures(10))
    memory.feed(tiny.pictures(2, seed=1), [50_000, 51_000], after_gap=True)
    coverage = memory.coverage()
    assert (coverage.end_ms, coverage.frames_seen) == (51_000, 12)
    assert 1 <= coverage.frames <= 12
    assert (9_000, 50_000) in coverage.gaps
    assert "".join(memory.answer(QUESTION, 6)) == memory.ask(QUESTION, 6) != ""
    assert memory.device_bytes + memory.host_bytes > 0


def test_coverage_reports_whole_and_forgotten_frames(memory: Memory) -> None:
    """With room for six frames; frame by frame, the newest is whole before it is compressed."""
    memory.feed(tiny.pictures(5))
    assert memory.coverage().whole_since_ms == 0
    assert memory.coverage().forgotten == ()
    memory.feed(tiny.pictures(20))
    coverage = memory.coverage()
    assert coverage.whole_since_ms is not None
    assert coverage.whole_since_ms <= 24_000
    if memory.name == "frame-retrieval":
        assert (coverage.whole_since_ms, coverage.forgotten) == (0, ())
    elif memory.name.startswith("hermes"):
        assert coverage.frames < 25 or coverage.forgotten == ()
    else:
        assert coverage.forgotten
    if memory.name in ("sliding-window", "last-frames"):
        assert coverage.forgotten == ((0, coverage.start_ms),)
        assert coverage.whole_since_ms == coverage.start_ms


def test_asking_changes_nothing(memory: Memory) -> None:
    quiet = MEMORIES[memory.name](tiny.model(), BUDGET, 3)
    for part in range(3):
        for each in (memory, quiet):
            each.feed(tiny.pictures(4, seed=part))
        memory.ask(QUESTION, 3)
    assert torch.equal(logits(memory.branch(60)), logits(quiet.branch(60)))
    assert memory.coverage() == quiet.coverage()


def test_new_frames_do_not_change_an_open_answer(memory: Memory) -> None:
    quiet = MEMORIES[memory.name](tiny.model(), BUDGET, 3)
    for each in (memory, quiet):
        each.feed(tiny.pictures(8))
    branch, coverage = memory.branch(60), memory.coverage()
    memory.feed(tiny.pictures(9, seed=4))
    assert branch.coverage == coverage
    assert torch.equal(logits(branch), logits(quiet.branch(60)))


def test_all_memories_give_the_same_answer_about_a_short_stream(memory: Memory) -> None:
    """Every memory reads all frames that fit into its budget."""
    if memory.name == CHANGES:
        pytest.skip("it leaves out what looks as it did before")
    everything = VideoMemory(tiny.model(), "sliding-window", budget=1000)
    for each in (memory, everything):
        each.feed(tiny.pictures(4))
    assert torch.allclose(logits(memory.branch(60)), logits(everything.branch(60)), atol=2e-4)


def test_a_frame_that_fails_leaves_no_trace(memory: Memory) -> None:
    memory.feed(tiny.pictures(3))
    before = memory.coverage()
    for bad in (torch.zeros((3, 4, 4)), torch.zeros((1, 4, 4), dtype=torch.uint8)):
        with pytest.raises(InvalidInput, match="frames"):
            memory.take(bad, FrameStamp(9_000))
    assert memory.coverage() == before


# -- the last frames, read afresh ------------------------------------------------


def test_last_frames_equal_a_fresh_memory_of_them() -> None:
    model, frames = tiny.model(), tiny.pictures(30)
    memory = LastFrames(model, frames=5)
    memory.feed(frames)
    fresh = StreamMemory(model.shape, model.rotary, MemoryConfig(80, 1, 4096, 256), SlidingWindow())
    with torch.inference_mode():
        row = fresh.begin_prefix(len(model.prefix()))
        model.forward(model.prefix(), PackedPass([row]))
        fresh.commit(row)
        row = fresh.begin_frames([FrameStamp(0)] * 5, model.layout)
        features = torch.cat([model.encode(frame[None])[0] for frame in frames[-5:]])
        model.forward(features, PackedPass([row]))
        fresh.commit(row)
    found = logits(memory.branch(60))
    assert torch.equal(found, logits(fresh.branch(60)))
    one_by_one = VideoMemory(model, "sliding-window", budget=1000)
    one_by_one.feed(frames[-5:])
    assert torch.allclose(found, logits(one_by_one.branch(60)), atol=2e-4)
    assert memory.host_bytes == frames[-5:].numel()
    assert (memory.coverage().start_ms, memory.coverage().frames) == (25_000, 5)


# -- everything kept, some fetched -------------------------------------------------


def test_fetching_all_frames_equals_a_memory_without_limit() -> None:
    frames = tiny.pictures(12)
    unbounded = VideoMemory(tiny.model(), "sliding-window", budget=1000)
    memory = FrameRetrieval(tiny.model(), fetched_frames=20)
    for each in (unbounded, memory):
        each.feed(frames)
    expected, found = logits(unbounded.branch(60), 8), logits(memory.branch(60), 8)
    assert torch.allclose(found, expected, atol=2e-4)
    assert found.argmax(-1).tolist() == expected.argmax(-1).tolist()


def test_the_window_is_what_a_frame_sees() -> None:
    """Streams that differ only in their first frame have equal caches some frames later."""
    one, other = (FrameRetrieval(tiny.model(), fetched_frames=1, window_frames=2, window_slack=1)
                  for _ in range(2))  # fmt: skip
    one.feed(tiny.pictures(1, seed=1))
    other.feed(tiny.pictures(1, seed=2))
    for each in (one, other):
        each.feed(tiny.pictures(40, seed=3))
    ours, theirs = one.cache.store.view()[0], other.cache.store.view()[0]
    assert not torch.allclose(ours[1].keys, theirs[1].keys, atol=1e-3)
    # Each layer passes on what one window holds: the first frame reaches ten times three frames.
    assert torch.equal(ours[-1].keys, theirs[-1].keys)


def test_a_planted_frame_is_fetched() -> None:
    """A frame that is like the question in every layer is fetched by every layer, one that is the
    opposite by none.
    """
    model = tiny.model()
    memory = FrameRetrieval(model, fetched_frames=3, max_frames=40)
    memory.feed(tiny.pictures(20))
    vectors, question = memory.cache.store.view()[1], model.question(QUESTION)
    branch = memory.branch(len(question))
    assert isinstance(branch, RetrievalBranch)
    row = branch.row(len(question))

    class Planting:
        tokens = row.tokens

        def attend(
            self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float
        ) -> Tensor:
            like = normalize(question_vector(query, model.shape.kv_heads), dim=-1)
            vectors[layer, 7], vectors[layer, 12] = like, -like
            return row.attend(layer, query, key, value, scale)

    with branch, torch.inference_mode():
        model.forward(question, PackedPass([Planting()]))
    assert sorted(branch.chosen) == list(range(model.shape.layers))
    for chosen in branch.chosen.values():
        assert len(chosen) == 3
        assert 7 in chosen
        assert 12 not in chosen


def test_frames_are_fetched_once_for_an_answer() -> None:
    memory = FrameRetrieval(tiny.model(), fetched_frames=3)
    memory.feed(tiny.pictures(20))
    branch = memory.branch(60)
    assert isinstance(branch, RetrievalBranch)
    model = tiny.model()
    inputs = model.question(QUESTION)
    with branch, torch.inference_mode():
        for step in range(4):
            row = branch.row(len(inputs))
            model.forward(inputs, PackedPass([row]))
            branch.commit(row)
            if step == 0:
                first = dict(branch.chosen)
                assert isinstance(branch.slab, Slab)
                kept = branch.slab.keys.clone(), branch.slab.values.clone()
            inputs = model.embed([step + 5])
        assert branch.chosen == first
        assert isinstance(branch.slab, Slab)
        assert torch.equal(branch.slab.keys, kept[0])
        assert torch.equal(branch.slab.values, kept[1])


def test_a_bounded_store_reports_forgotten_frames() -> None:
    memory = FrameRetrieval(tiny.model(), fetched_frames=3, max_frames=4)
    memory.feed(tiny.pictures(10))
    coverage = memory.coverage()
    assert (coverage.start_ms, coverage.whole_since_ms) == (6_000, 6_000)
    assert coverage.forgotten == ((0, 6_000),)


def test_bad_input_is_named() -> None:
    with pytest.raises(InvalidInput, match="frames"):
        LastFrames(tiny.model(), frames=0)
    with pytest.raises(InvalidInput, match="fetched_frames"):
        FrameRetrieval(tiny.model(), fetched_frames=0)
    with pytest.raises(InvalidInput, match="max_frames"):
        FrameRetrieval(tiny.model(), fetched_frames=1, max_frames=0)
