"""How much a GPU is asked to do: counted on a device that only pretends, at the depth of 7B models.

What grows past a budget here makes a real GPU wait for the host. The budgets are those of
docs/benchmarks.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from unittest import mock

import pytest
import torch
from torch import Tensor

from hermes.engine.question_pass import QuestionPass
from hermes.memory import (
    CacheShape,
    ChangeConfig,
    FrameLayout,
    FrameStamp,
    HeadNorms,
    Hermes,
    MemoryConfig,
    Rotary,
    StreamMemory,
)
from hermes.memory.reading import ReadingPass
from hermes.vlm import (
    Arrival,
    VideoMemory,
    VideoModel,
    expert_steps,
    experts,
    take_together,
)
from tests.support import deep, tiny_hub
from tests.support.pretend_device import DEVICE, Counted, OnDevice, counting, launched, pretending
from tests.support.slow import slow

FEW_LAYERS = 5
"""Enough to see what is asked of the device once a layer."""

DECODE_LAUNCHES = {"llava_onevision": 330, "qwen2_5_vl": 330, "qwen3_vl": 330, "qwen3_vl_moe": 500}
DEPTHS = {"qwen3_vl_moe": 48}
"""Layers, as of the shape that ships, if there are not as many as of a 7B model."""
WAITS_OF_A_QUESTION = 2
WAITS_OF_A_DECODE_STEP = 2
WAITS_OF_AN_INGEST_PASS = 6
LAUNCHES_OF_A_FURTHER_FRAME = {"all of it": 150, "changes": 150}
LAUNCHES_OF_A_COMPRESSION = 600
WAITS_OF_A_COMPRESSION = 4


@pytest.fixture(autouse=True)
def on_a_device() -> Iterator[None]:
    with (
        mock.patch.object(experts, "kernels_for", return_value=expert_steps),
        pretending(),
        torch.inference_mode(),
    ):
        yield


class Kernels:
    """Attention in three kernels, as a `hermes.memory.kernels.Reader`, which compute nothing."""

    def __init__(
        self, tokens: int, heads: int, kv_heads: int, dim: int, reach: int, like: Tensor
    ) -> None:
        self._size = tokens, heads, dim

    def attend(
        self,
        table: Tensor,
        rotations: Tensor,
        layer: int,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        scale: float,
        norms: HeadNorms | None = None,
    ) -> Tensor:
        for name in ("write", "attend", "join"):
            launched(name)
        return OnDevice(torch.zeros(self._size))


@pytest.mark.parametrize("family", slow(DECODE_LAUNCHES, "qwen2_5_vl", "qwen3_vl_moe"))
def test_a_decode_step_is_a_few_kernels_a_layer(family: str) -> None:
    own = deep.model(family, DEPTHS.get(family, deep.LAYERS))
    inputs = own.embed([1])
    reading = ReadingPass(1, own.rotary, own.shape.axes, 2000, Kernels, DEVICE)
    with counting() as counted:
        reading.begin()
        own.logits(own.forward(inputs, reading)).argmax(dim=-1)
    assert counted.launches <= DECODE_LAUNCHES[family], counted.table()
    assert counted.waits == 0, counted.table()


def pictures(own: VideoModel, seed: int, size: tuple[int, int] | None = None) -> list[Tensor]:
    """Those of one frame."""
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randint(
            0, 256, (3, *(size or own.frame_size)), dtype=torch.uint8, generator=generator
        )
        for _ in range(own.pictures_per_frame)
    ]


def arrivals(
    memories: Sequence[VideoMemory], number: int, *, ragged: bool = False
) -> list[Arrival]:
    """One frame for each memory; of another shape for each second one, if they are `ragged`."""
    return [
        Arrival(memory, picture, FrameStamp(1000 * number + at))
        for place, memory in enumerate(memories)
        for at, picture in enumerate(
            pictures(memory.model, number, (64, 128) if ragged and place % 2 else None)
        )
    ]


def of_a_pass(
    own: VideoModel, cameras: int, changes: ChangeConfig | None, *, ragged: bool = False
) -> Counted:
    """What one frame of each camera takes, in one pass."""
    memories = [VideoMemory(own, budget=2000, changes=changes) for _ in range(cameras)]
    for number in range(2):
        take_together(arrivals(memories, number, ragged=ragged))
    coming = arrivals(memories, 2, ragged=ragged)
    with counting() as counted:
        outcomes = take_together(coming)
    assert outcomes == [None] * len(coming)
    return counted


@pytest.mark.parametrize("family", slow(tiny_hub.FAMILIES, "qwen2_5_vl", "qwen3_vl_moe"))
def test_an_ingest_pass_waits_as_often_for_many_cameras_as_for_one(family: str) -> None:
    own = deep.model(family, FEW_LAYERS)
    ragged = family != "llava_onevision"
    one = of_a_pass(own, 1, ChangeConfig())
    many = of_a_pass(own, 4, ChangeConfig(), ragged=ragged)
    assert one.waits == many.waits, f"{one.table()}\n{many.table()}"
    assert many.waits <= WAITS_OF_AN_INGEST_PASS, many.table()


@pytest.mark.parametrize("taken", slow(LAUNCHES_OF_A_FURTHER_FRAME, "changes"))
def test_a_frame_of_one_more_camera_is_a_few_kernels_a_layer(taken: str) -> None:
    own = deep.model("llava_onevision")
    changes = ChangeConfig() if taken == "changes" else None
    two, three = (of_a_pass(own, cameras, changes) for cameras in (2, 3))
    more = three.launches - two.launches
    assert more < LAUNCHES_OF_A_FURTHER_FRAME[taken], three.table()


@pytest.mark.parametrize("family", tiny_hub.FAMILIES)
def test_a_question_and_its_tokens_wait_for_their_outcome_and_little_else(family: str) -> None:
    own = deep.model(family, FEW_LAYERS)
    memory = VideoMemory(own, "sliding-window", budget=2000)
    take_together(arrivals([memory], 0))
    answers = QuestionPass(own, 2000, lambda *_: pytest.fail("nothing can be recorded here"))
    row = answers.choice.begin("Who is there?")
    with counting() as asked:
        inputs = own.question("Who is there?")
        branch = memory.branch(len(inputs) + 4)
        inputs = branch.opened_by(inputs)
        reading = branch.row(len(inputs))
        (token,) = answers.tokens([inputs], [reading], [row])
    branch.commit(reading)
    with counting() as answered:
        answers.tokens([own.embed([token.id])], [branch.row(1)], [row])
    assert asked.waits <= WAITS_OF_A_QUESTION, asked.table()
    assert answered.waits <= WAITS_OF_A_DECODE_STEP, answered.table()


def full_memory(keep_present: bool, axes: int) -> StreamMemory:
    """A memory that is over its budget, with random tokens in all layers."""
    shape = CacheShape(deep.LAYERS, 2, 16, axes, torch.float32, DEVICE)
    halves = torch.rand(8).repeat(2)
    rotary = Rotary(OnDevice(halves), OnDevice(torch.zeros(16, dtype=torch.int64)))
    config = MemoryConfig(80, 60, 1000, 64, "eager", keep_present=keep_present)
    memory = StreamMemory(shape, rotary, config, Hermes())
    memory.commit(memory.begin_prefix(3), [True, True])
    layout = FrameLayout.sequential(12, DEVICE)
    if axes > 1:
        layout = FrameLayout.marked(2, 5, DEVICE).after_text(3)
    for number in range(20):
        if memory.room() < layout.tokens:
            memory.compress()
        row = memory.begin_frames([FrameStamp(1000 * number)], layout)
        for cached in (row.slab.keys, row.slab.values):
            cached[:, :, row.start : row.start + row.tokens] = torch.randn(
                (deep.LAYERS, 2, row.tokens, 16), device=DEVICE
            )
        seen = row.start + row.tokens - memory.prefix_length
        row.guidance = tuple(OnDevice(torch.rand(deep.LAYERS, seen)) for _ in range(2))
        memory.commit(row, [True, True])
    return memory


@pytest.mark.parametrize("axes", [1, 3])
@pytest.mark.parametrize("keep_present", [False, True])
def test_a_compression_works_on_all_layers_at_once(keep_present: bool, axes: int) -> None:
    memory = full_memory(keep_present, axes)
    with counting() as counted:
        done = memory.compress()
    assert done is not None
    assert done.evicted_tokens
    assert done.reindexed
    assert counted.launches < LAUNCHES_OF_A_COMPRESSION, counted.table()
    assert counted.waits <= WAITS_OF_A_COMPRESSION, counted.table()
