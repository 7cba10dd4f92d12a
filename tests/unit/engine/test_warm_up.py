"""The largest passes there can be are what is measured, on a device that can be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from torch import Tensor

from hermes.engine import EngineConfig
from hermes.engine.capacity import slab_bytes
from hermes.engine.warm_up import WarmUp
from hermes.errors import InvalidInput
from hermes.memory import SlabPool
from hermes.vlm import VideoMemory, VideoModel
from tests.support import tiny, tiny_qwen
from tests.support.noted_device import NotedDevice

GIB = 1 << 30
CONFIG = EngineConfig(
    budget_tokens=96, compress_every_frames=3, max_cameras=16, max_pass_frames=6, max_questions=2
)
MANY_CAMERAS = EngineConfig(
    budget_tokens=96, compress_every_frames=3, max_cameras=4096, max_pass_frames=3, max_questions=2
)
SLAB = slab_bytes(
    tiny.model().shape,
    VideoMemory(tiny.model(), budget=96, compress_every_frames=3).cache.capacity,
)


class Counting:
    """A model. `encoded`: pictures of each pass; `rows`: tokens of each decoder pass."""

    def __init__(self, model: VideoModel | None = None) -> None:
        self._model = model or tiny.model()
        self.encoded: list[int] = []
        self.rows: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def encode(
        self, pictures: Sequence[Tensor], between: Callable[[], None] | None = None
    ) -> list[Tensor]:
        self.encoded.append(len(pictures))
        return self._model.encode(pictures, between)

    def forward(self, inputs: Tensor, packed: Any) -> Tensor:
        self.rows.append(len(inputs))
        return self._model.forward(inputs, packed)


class Kept(NotedDevice):
    """Notes what each piece of work that it measures runs."""

    def __init__(self, model: Counting, **settings: Any) -> None:
        super().__init__(measures=True, **settings)
        self.measured: list[tuple[list[int], list[int]]] = []
        self._model = model

    def peak_of(self, work: Callable[[], None]) -> int:
        del self._model.encoded[:], self._model.rows[:]
        peak = super().peak_of(work)
        self.measured.append((list(self._model.encoded), list(self._model.rows)))
        return peak


def warm(config: EngineConfig = CONFIG, **settings: Any) -> tuple[WarmUp, Kept, SlabPool]:
    model: Any = Counting()
    device, pool = Kept(model, **settings), SlabPool(tiny.model().shape)
    device.enter()

    def made() -> VideoMemory:
        return VideoMemory(model, budget=96, compress_every_frames=3, slabs=pool)

    return WarmUp(made, pool, config, device), device, pool


def test_the_largest_passes_are_run() -> None:
    """Six frames of two memories, six of six; each is compressed, so guidance is in the pass."""
    warming, device, pool = warm()
    fit = warming.run()
    assert fit.cameras == 16
    (_, asked), (_, weighed), (few, few_rows), (many, many_rows) = device.measured
    assert few == many == [6]
    assert pool.made == 7  # to restore a memory takes one more
    guidance = few_rows[0] - 6 * tiny.model().layout.tokens
    assert guidance > 0
    assert many_rows[0] - 6 * tiny.model().layout.tokens == 3 * guidance
    assert len(asked) >= 2
    assert 400 < weighed[0] <= 512
    again = VideoMemory(tiny.model(), budget=96, compress_every_frames=3, slabs=pool)
    assert pool.made == 7  # what was warmed up with is used again
    again.close()


def test_guidance_is_in_the_largest_pass_where_two_pictures_make_a_frame() -> None:
    """And where frames have text, of which a frame may have more than these have."""
    model: Any = Counting(tiny_qwen.model("qwen3_vl"))
    device, pool = Kept(model), SlabPool(model.shape)
    device.enter()
    budget = 3 * model.most_frame_tokens
    config = replace(CONFIG, budget_tokens=budget, max_pass_frames=2)

    def made() -> VideoMemory:
        return VideoMemory(model, budget=budget, compress_every_frames=3, slabs=pool)

    WarmUp(made, pool, config, device).run()
    *_, (few, _), (many, many_rows) = device.measured
    assert min(sum(few), sum(many)) >= 2 * 2  # pictures
    most = 2 * model.most_frame_tokens
    assert many_rows[0] > most


def test_the_most_of_all_passes_is_left_beside_the_memories() -> None:
    settings = {"free": 40 * SLAB, "total": SLAB}
    found = []
    for peaks in ([1, 1, 1, 1], [1, 9 * SLAB, 1, 1], [1, 1, 9 * SLAB, 1], [1, 1, 1, 9 * SLAB]):
        warming, *_ = warm(MANY_CAMERAS, peaks=peaks, **settings)
        found.append(warming.run().cameras)
    assert found[0] > found[1] == found[2] == found[3]


def test_a_small_device_is_not_filled_to_measure_it() -> None:
    """Where few memories fit, the largest pass has frames of few."""
    warming, device, pool = warm(total=1, peaks=[SLAB // 2])
    device.free = lambda: (7 - pool.made) * SLAB
    fit = warming.run()
    assert pool.made == 5
    assert fit.cameras == 4  # of seven, half a one is work, and two are for readers


def test_not_even_one() -> None:
    warming, *_ = warm(free=100, total=1, peaks=[GIB])
    with pytest.raises(InvalidInput, match="not even one memory fits"):
        warming.run()
