"""Multimodal RoPE: our rotation is the model's, and re-indexing keeps the order."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from hermes.errors import InvalidInput, Unsupported
from hermes.memory import POLICIES, StreamMemory
from hermes.memory.frame_layout import FrameLayout
from hermes.memory.held import Held
from hermes.memory.positions import Clock
from hermes.vlm import VideoMemory, load, multimodal_rope
from tests.support import tiny_qwen
from tests.support.tiny_qwen import Tiny

QUESTION = "What is happening now?"
UNBROKEN = 4.0
"""Pictures a second at which the frames of Qwen2.5-VL have consecutive positions in time."""


@pytest.fixture(params=tiny_qwen.FAMILIES)
def model(request: pytest.FixtureRequest) -> Tiny:
    return tiny_qwen.model(request.param)


def published(name: str) -> Any:
    """The rotation at true size, of the transformers class itself."""
    from transformers.models.qwen2_5_vl import modeling_qwen2_5_vl as qwen2_5
    from transformers.models.qwen3_vl import modeling_qwen3_vl as qwen3

    from hermes.vlm.shapes import config_of

    text = config_of(name).text_config
    if name == "qwen2.5-vl-7b":
        return qwen2_5.Qwen2_5_VLRotaryEmbedding(text)
    return qwen3.Qwen3VLTextRotaryEmbedding(text)


@pytest.mark.parametrize("name", ["qwen2.5-vl-7b", "qwen3-vl-8b"])
def test_rotation_is_the_models_own(name: str) -> None:
    embedding = published(name)
    rotary = multimodal_rope.probe(embedding, torch.device("cpu"), name)
    generator = torch.Generator().manual_seed(0)
    positions = torch.randint(0, 100_000, (3, 500), generator=generator)
    cos, sin = embedding(torch.zeros(1, 1), positions.unsqueeze(1))
    found = rotary.tables(positions)
    assert torch.equal(found[0], cos[0])
    assert torch.equal(found[1], sin[0])
    assert (
        rotary.axis.bincount().tolist()
        == {
            "qwen2.5-vl-7b": [32, 48, 48],
            "qwen3-vl-8b": [48, 40, 40],
        }[name]
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", tiny_qwen.FAMILIES)
def test_a_loaded_models_rotation_is_its_own(family: str, dtype: torch.dtype) -> None:
    """Angles are fp32 for weights of any type: in 16 bits, far positions would be the same."""
    model: Any = load(tiny_qwen.folder(family), dtype=dtype)
    positions = torch.randint(0, 8000, (3, 200))
    cos, sin = model.language.rotary_emb(torch.zeros(1, 1), positions.unsqueeze(1))
    found = model.rotary.tables(positions)
    assert torch.equal(found[0], cos[0])
    assert torch.equal(found[1], sin[0])
    assert torch.equal(model.rotary.frequencies, tiny_qwen.model(family).rotary.frequencies)


class _Turning:
    attention_scaling = 1.0
    inv_freq = torch.tensor([1.0, 0.1, 0.01])

    def __init__(self, scale: float = 1.0, mixed: float = 0.0) -> None:
        self._scale, self._mixed = scale, mixed

    def __call__(self, wide: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        along = positions[:, 0].float()
        along = torch.stack((along[0] + self._mixed * along[1], along[1], along[2]))
        angles = torch.cat((along, along)).T * torch.cat((self.inv_freq, self.inv_freq))
        return angles.cos()[None] * self._scale, angles.sin()[None] * self._scale


def test_an_unsupported_rotation_is_refused() -> None:
    cpu = torch.device("cpu")
    assert multimodal_rope.probe(_Turning(), cpu, "m").axis.tolist() == [0, 1, 2, 0, 1, 2]
    with pytest.raises(Unsupported, match="scales keys at position 0"):
        multimodal_rope.probe(_Turning(scale=1.2), cpu, "m")
    with pytest.raises(Unsupported, match="by one axis"):
        multimodal_rope.probe(_Turning(mixed=0.3), cpu, "m")


def test_marks_are_text() -> None:
    layout = FrameLayout.marked(2, 3)
    assert layout.offsets.tolist() == [
        [0, 1, 1, 1, 1, 1, 1, 4],
        [0, 1, 1, 1, 2, 2, 2, 4],
        [0, 1, 2, 3, 1, 2, 3, 4],
    ]
    clock = Clock(3)
    clock.took_text(7)
    clock.took_frames([layout, layout])
    assert (clock.origin, clock.next_text) == ([17, 17, 17], 17)
    assert clock.took_tick() == 17
    assert clock.origin == [18, 18, 18]


@pytest.mark.parametrize(("rate", "step"), [(None, 2), (1.0, 4), (4.0, 1), (30.0, 1), (0.5, 8)])
def test_time_follows_the_rate_of_pictures(rate: float | None, step: int) -> None:
    """Two ticks a second; a whole number, and one at least."""
    assert tiny_qwen.model("qwen2_5_vl", rate).layout.advance == (step, 0, 0)


def test_a_rate_can_be_chosen_only_where_it_matters() -> None:
    with pytest.raises(InvalidInput, match="frames_per_second"):
        tiny_qwen.model("qwen3_vl", 2.0)
    with pytest.raises(InvalidInput, match="frames_per_second"):
        load(tiny_qwen.folder("qwen2_5_vl"), frames_per_second=0)
    slow = load(tiny_qwen.folder("qwen2_5_vl"), frames_per_second=0.01)
    assert slow.layout.advance == (400, 0, 0)


def video_positions(memory: StreamMemory) -> Tensor:
    """[layers, axes, n] of the video tokens."""
    return positions_of(memory.held)


def positions_of(held: Held) -> Tensor:
    return held.slab.positions[:, :, held.video].clone()


def order(positions: Tensor) -> Tensor:
    """[..., n, n]: the sign of every difference."""
    return (positions[..., :, None] - positions[..., None, :]).sign()


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_eager_reindexing_keeps_order_on_each_axis(
    model: Tiny, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every compression, in every layer, of every two tokens: which is before which."""
    seen = []
    plain = Held.reindex

    def watched(self: Held) -> None:
        before = positions_of(self)
        plain(self)
        after = positions_of(self)
        assert torch.equal(order(before), order(after))
        assert int(after.min()) >= self.prefix_length
        assert self.clock.next_text == int(after.max()) + 1
        seen.append(self)

    monkeypatch.setattr(Held, "reindex", watched)
    from hermes.memory import MemoryConfig

    tokens, most = model.layout.tokens, model.most_frame_tokens
    config = MemoryConfig(4 * most + 1, 2 * most, 4096, 512, "eager")
    memory = VideoMemory(model, name, config=config, compress_every_frames=2)
    memory.feed(tiny_qwen.pictures(model.model_type, 14))
    assert len(seen) >= 5
    # The next frame comes after all others, and text has one position.
    before = int(video_positions(memory.cache)[:, 0].max())
    memory.feed(tiny_qwen.pictures(model.model_type, 1))
    assert int(video_positions(memory.cache)[:, 0, -tokens:].min()) > before
    if model.model_type != "qwen2_5_vl":
        marks = video_positions(memory.cache)[:, :, -1]
        assert torch.equal(marks.amin(1), marks.amax(1))


@pytest.mark.parametrize(
    ("family", "rate", "unbroken"),
    [("qwen2_5_vl", UNBROKEN, True), ("qwen2_5_vl", None, False), ("qwen3_vl", None, True)],
)
def test_reindexing_changes_nothing_where_positions_are_dense(
    family: str, rate: float | None, unbroken: bool
) -> None:
    """Slower frames of Qwen2.5-VL have unused positions between them; these are closed up."""
    model = tiny_qwen.model(family, rate)
    memory = tiny_qwen.memory(model)
    tiny_qwen.feed(model, memory, tiny_qwen.pictures(family, 8))
    _, expected = tiny_qwen.answer(model, memory, QUESTION, 3)
    before = video_positions(memory)
    memory.held.reindex()
    _, found = tiny_qwen.answer(model, memory, QUESTION, 3)
    difference = float((found[0] - expected[0]).abs().max())
    if unbroken:
        assert torch.equal(video_positions(memory), before)
        assert difference == 0
    else:
        assert difference > 1e-3


@pytest.mark.parametrize("family", tiny_qwen.FAMILIES)
def test_distances_inside_an_unbroken_run_stay(family: str) -> None:
    """A window that has moved on keeps every distance, on and between the axes that move."""
    model = tiny_qwen.model(family, UNBROKEN if family == "qwen2_5_vl" else None)
    tokens = model.layout.tokens
    lazy, eager = (
        tiny_qwen.memory(model, budget=4 * tokens, headroom=tokens, eager=eager)
        for eager in (False, True)
    )
    for memory in (lazy, eager):
        tiny_qwen.feed(model, memory, tiny_qwen.pictures(family, 12))
        memory.compress()
    shift = video_positions(lazy) - video_positions(eager)
    assert torch.equal(shift.amin(2), shift.amax(2))
    moved = shift[0, :, 0].tolist()
    frame = model.layout.advance[0]
    assert moved == ([8 * frame, 0, 0] if family == "qwen2_5_vl" else [8 * frame] * 3)


def test_a_long_stream_never_leaves_the_models_positions(model: Tiny) -> None:
    """Lazy: positions are compacted whenever they run out, and the stream continues."""
    tokens, limit = model.layout.tokens, 400
    memory = tiny_qwen.memory(model, budget=6 * tokens, headroom=2 * tokens, limit=limit)
    farthest, compacted, last = 0, 0, 0
    for round in range(12):
        tiny_qwen.feed(model, memory, tiny_qwen.pictures(model.model_type, 5, seed=round))
        memory.compress()
        farthest = max(farthest, memory.next_position)
        compacted += memory.next_position < last
        last = memory.next_position
    assert compacted >= 1
    assert farthest + 256 <= limit
    assert bool(torch.isfinite(tiny_qwen.answer(model, memory, QUESTION, 2)[1]).all())
