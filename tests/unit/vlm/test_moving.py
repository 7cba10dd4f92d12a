"""Moving a token rotates its key by the distance, with the RoPE of each family."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers.models.qwen2.modeling_qwen2 import rotate_half

from hermes.memory import MemoryConfig, rotate
from hermes.memory.held import Held
from hermes.vlm import VideoMemory
from tests.support import tiny, tiny_qwen
from tests.support.examples import at_most
from tests.support.slow import slow

FAMILIES = ("llava_onevision", *tiny_qwen.FAMILIES)


def loaded(family: str) -> Any:
    return tiny.model() if family == "llava_onevision" else tiny_qwen.model(family)


def by_transformers(model: Any, key: Tensor, positions: Tensor) -> Tensor:
    """`key` [kv_heads, n, head_dim] as the model's own embedding rotates it."""
    at = positions if model.shape.axes == 1 else positions[:, None]
    cos, sin = model.language.rotary_emb(torch.zeros(1, 1), at)
    rotated: Tensor = key * cos[0] + rotate_half(key) * sin[0]
    return rotated


@settings(max_examples=at_most(60), deadline=None)
@given(
    family=st.sampled_from(FAMILIES),
    places=st.lists(st.tuples(*[st.integers(0, 3000)] * 6), min_size=1, max_size=5),
    seed=st.integers(0, 999),
)
def test_rotating_by_the_difference_is_a_fresh_rotation(
    family: str, places: list[tuple[int, ...]], seed: int
) -> None:
    model = loaded(family)
    axes = model.shape.axes
    both = torch.tensor(places).T
    p, q = both[:axes], both[3 : 3 + axes]
    generator = torch.Generator().manual_seed(seed)
    size = (model.shape.kv_heads, len(places), model.shape.head_dim)
    key = torch.randn(size, generator=generator)
    fresh = by_transformers(model, key, q)
    moved = rotate(by_transformers(model, key, p), model.rotary.tables(q - p))
    assert torch.allclose(moved, fresh, atol=3e-3)
    assert torch.allclose(rotate(key, model.rotary.tables(q)), fresh, atol=1e-5), "as it is kept"


@pytest.mark.parametrize(
    ("family", "policy"),
    slow(product(FAMILIES, ("hermes", "hermes-paper")), *product(FAMILIES[1:], ("hermes-paper",))),
)
def test_keys_are_rotated_afresh_after_reindexing(
    family: str, policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After ten compressions, each key is rotated as if it had been written at its position."""
    model = loaded(family)
    tokens, seen = model.most_frame_tokens, []
    plain = Held.reindex

    def counted(self: Held) -> None:
        seen.append(1)
        plain(self)

    monkeypatch.setattr(Held, "reindex", counted)
    config = MemoryConfig(5 * tokens, 2 * tokens, 4096, 512, "eager")
    memory = VideoMemory(model, policy, config=config, compress_every_frames=2)
    for number in range(12):
        pictures = (
            tiny.pictures(2, seed=number)
            if family == "llava_onevision"
            else tiny_qwen.pictures(family, 2, seed=number)
        )
        memory.feed(pictures)
    assert len(seen) >= 8
    slab = memory.cache.held.slab
    slab.begin_pass()
    for layer in range(model.shape.layers):
        held = slice(slab.length)
        keys, at = slab.keys[layer, :, held], slab.positions[layer, :, held].long()
        found = slab.rotated_keys(layer, slab.length, model.rotary)
        assert torch.allclose(found, by_transformers(model, keys, at), atol=1e-5)
