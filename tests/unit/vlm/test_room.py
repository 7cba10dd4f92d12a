"""What could never work is refused when a memory is made, or before a frame changed it, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchmarks.baselines.frame_retrieval import FrameRetrieval
from benchmarks.baselines.memories import MEMORIES
from hermes.errors import InvalidInput
from hermes.evaluation.last_frames import LastFrames
from hermes.memory import (
    FrameLayout,
    FrameStamp,
    Hermes,
    HermesConfig,
    MemoryConfig,
    PackedPass,
)
from hermes.vlm import VideoMemory
from tests.support import tiny
from tests.support.examples import at_most

FRAME = 16  # tokens of the tiny model's


def test_recent_frames_that_do_not_fit_are_refused_at_once() -> None:
    assert tiny.model().layout.tokens == FRAME
    with pytest.raises(InvalidInput) as refused:
        VideoMemory(tiny.model(), "hermes", budget=2 * FRAME)
    assert refused.value.field == "recent_frames"
    assert refused.value.message == (
        "the newest 2 frames do not fit into 32 tokens: raise the budget to 33, or keep fewer"
        " frames whole"
    )
    VideoMemory(tiny.model(), "hermes", budget=2 * FRAME + 1)
    VideoMemory(tiny.model(), "hermes-paper", budget=FRAME)  # it keeps none whole
    without_summary = Hermes(HermesConfig(summary="off"))
    VideoMemory(tiny.model(), without_summary, budget=2 * FRAME)


@settings(max_examples=at_most(25), deadline=None)
@given(
    recent=st.integers(0, 4),
    summary=st.sampled_from(["off", "paper", "pinned"]),
    budget=st.integers(FRAME, 5 * FRAME),
    every=st.integers(1, 3),
)
def test_recent_frames_that_fit_are_kept_whole(
    recent: int, summary: Any, budget: int, every: int
) -> None:
    policy = Hermes(HermesConfig(recent_frames=recent, summary=summary))
    fits = recent == 0 or recent * FRAME + (summary != "off") <= budget
    make: Callable[[], VideoMemory] = lambda: VideoMemory(  # noqa: E731
        tiny.model(), policy, budget=budget, compress_every_frames=every
    )
    if not fits:
        with pytest.raises(InvalidInput, match="recent_frames"):
            make()
        return
    memory = make()
    memory.feed(tiny.pictures(8))
    frames, patches = memory.cache.identities()
    for frame in range(8 - recent, 8):
        own = (frames == frame) & (patches >= 0)
        assert torch.all(own.sum(dim=1) == FRAME)
    assert memory.cache.video_tokens <= budget + every * FRAME


@pytest.mark.parametrize("name", sorted(MEMORIES))
def test_a_budget_below_one_frame_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="less than one frame: this model makes 16") as refused:
        MEMORIES[name](tiny.model(), FRAME - 1, 3)
    assert refused.value.field == "budget"


def test_headroom_for_less_than_one_frame_is_refused() -> None:
    config = MemoryConfig(10 * FRAME, FRAME - 1, 4096)
    with pytest.raises(InvalidInput, match="headroom: 15 tokens are less than one frame"):
        VideoMemory(tiny.model(), config=config)
    with pytest.raises(InvalidInput, match="compress_every_frames"):
        VideoMemory(tiny.model(), compress_every_frames=0)


def test_an_empty_prefix_is_refused() -> None:
    class Without:
        def __getattr__(self, name: str) -> Any:
            return getattr(tiny.model(), name)

        def prefix(self) -> Tensor:
            return tiny.model().prefix()[:0]

    model: Any = Without()
    for make in (VideoMemory, lambda m: FrameRetrieval(m, fetched_frames=2)):
        with pytest.raises(InvalidInput, match="prefix: is empty"):
            make(model)
    with pytest.raises(InvalidInput, match="prefix: is empty"):
        LastFrames(model).ask("What now?")


@pytest.mark.parametrize(
    "bad",
    [
        torch.zeros((0, 3, 8, 8), dtype=torch.uint8),  # no frames
        torch.zeros((3, 8, 8), dtype=torch.uint8),
        torch.zeros((1, 4, 8, 8), dtype=torch.uint8),
        torch.zeros((1, 3, 0, 8), dtype=torch.uint8),
        torch.full((1, 3, 8, 8), torch.nan),
        torch.zeros((1, 3, 8, 8), dtype=torch.int64),
    ],
)
@pytest.mark.parametrize("name", sorted(MEMORIES))
def test_bad_frames_change_nothing(name: str, bad: Tensor) -> None:
    memory = MEMORIES[name](tiny.model(), 96, 3)
    memory.feed(tiny.pictures(4))
    coverage, sizes = memory.coverage(), (memory.device_bytes, memory.host_bytes)
    with pytest.raises(InvalidInput) as refused:
        memory.feed(bad)
    assert refused.value.field == "frames"
    assert (memory.coverage(), memory.device_bytes, memory.host_bytes) == (coverage, *sizes)
    memory.feed(tiny.pictures(1))
    assert memory.coverage().frames_seen == 5


def test_frames_that_exceed_the_room_change_nothing() -> None:
    memory = tiny.memory(budget=64, headroom=32)
    layout = tiny.model().layout
    tiny.feed(memory, tiny.pictures(2))
    before = memory.state()
    with pytest.raises(InvalidInput, match="frames: 80 tokens exceed the 64 that fit"):
        memory.begin_frames([FrameStamp(0)] * 5, layout)
    with pytest.raises(InvalidInput, match="frames: have positions on 3 axes"):
        memory.begin_frames([FrameStamp(0)], FrameLayout.grid(4, 4, 1))
    with pytest.raises(InvalidInput, match="frames: there are none"):
        memory.begin_frames([], layout)
    after = memory.state()
    assert before.header == after.header
    assert all(torch.equal(tensor, after.tensors[name]) for name, tensor in before.tensors.items())


def test_a_pass_of_another_length_than_its_rows_is_refused() -> None:
    model, memory = tiny.model(), tiny.memory()
    features = model.encode(tiny.pictures(1))[0]
    for cut in (1, FRAME - 1):
        row = memory.begin_frames([FrameStamp(0)], model.layout)
        with pytest.raises(InvalidInput, match=f"inputs: {cut} tokens for rows of 16"):
            model.forward(features[:cut], PackedPass([row]))
        memory.abandon(row)
    tiny.feed(memory, tiny.pictures(1))
    assert memory.coverage().frames == 1
