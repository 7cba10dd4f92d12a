"""Models whose memories store keys and values in 8 bits."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from functools import cache, partial
from typing import Any

import pytest
import torch
from torch import Tensor

from hermes.engine import snapshot
from hermes.engine.question_pass import reader_for
from hermes.errors import InvalidInput
from hermes.memory import FrameStamp, PackedPass
from hermes.memory.stored import EIGHT_BITS, movable, widened
from hermes.vlm import Arrival, VideoMemory, load, take_together
from tests.support import tiny, tiny_hub
from tests.support.slow import slow

QUESTION = "What is happening now?"
FRAMES = 8
FAMILIES = slow(tiny_hub.FAMILIES, "qwen3_vl", "qwen3_vl_moe")


@cache
def loaded(family: str) -> Any:
    return load(tiny_hub.folder(family))


def both(family: str) -> list[Any]:
    """The model as it is, and with memories that store 8 bits."""
    narrow = copy(loaded(family))
    narrow.shape = replace(narrow.shape, stored=EIGHT_BITS)
    return [loaded(family), narrow]


def memory(model: Any, frames: int = FRAMES) -> VideoMemory:
    made = VideoMemory(model, budget=4 * model.layout.tokens, compress_every_frames=2)
    made.feed(tiny.pictures(frames, seed=3, side=64))
    return made


def logits(of: VideoMemory) -> Tensor:
    question = of.model.question(QUESTION)
    with of.branch(len(question)) as branch:
        row = branch.row(len(question))
        hidden = of.model.forward(branch.opened_by(question), PackedPass([row]))
        found: Tensor = of.model.logits(hidden[-1])
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_answers_hardly_change_and_memories_are_restored_to_the_bit(family: str) -> None:
    wide, narrow = (memory(model) for model in both(family))
    slab, length = narrow.cache.held.slab, narrow.cache.length
    assert slab.keys.dtype == slab.values.dtype == EIGHT_BITS
    assert 4 * narrow.device_bytes == wide.device_bytes  # the models here have 32 bits
    found, expected = logits(narrow), logits(wide)
    assert not torch.equal(found, expected)
    if family != "qwen3_vl_moe":  # whose random routers choose other experts at any change
        apart = float((found - expected).norm()) / float((expected - expected.mean()).norm())
        assert apart < 0.15
    for taken, into in ((narrow, narrow), (narrow, wide), (wide, narrow)):
        restored = memory(into.model, 2)
        snapshot.restore(restored, snapshot.encode(taken.state()))
        ours, theirs = (m.cache.held.slab.values[:, :, :length] for m in (restored, taken))
        if taken is narrow:  # what it stores can be held in any type
            torch.testing.assert_close(logits(restored), found, atol=1e-4, rtol=1e-4)
        if taken is into:
            assert torch.equal(movable(ours), movable(theirs))
            assert torch.equal(logits(restored), found)
        error = (widened(ours) - widened(theirs)).abs()
        assert (error <= (widened(theirs).abs() / 16).clamp_min(2.0**-10)).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_taken_off_keys_is_the_bias_of_their_projection(family: str) -> None:
    model = loaded(family)
    found = model.shape.key_bias
    if family.startswith("qwen3"):  # whose keys are normalised after the projection
        assert found is None
        return
    biases = [layer.self_attn.k_proj.bias for layer in model.language.layers]
    assert torch.equal(found.flatten(1), torch.stack(biases).detach())


def test_cameras_together_hold_what_each_holds_alone() -> None:
    """But for single numbers: sums of many rows round otherwise, and here and there a number is
    rounded the other way then.
    """
    model = both("llava_onevision")[1]
    together, alone = ([memory(model, frames) for frames in (1, 3, 6)] for _ in range(2))
    pictures = [tiny.pictures(5, seed=seed, side=64) for seed in range(3)]
    for index in range(5):
        coming = [
            [
                Arrival(m, p[index], FrameStamp(100_000 + 1000 * index))
                for m, p in zip(of, pictures, strict=True)
            ]
            for of in (together, alone)
        ]
        outcomes = take_together(coming[0])
        assert outcomes == [one.memory.take(one.picture, one.stamp) for one in coming[1]]
    for one, other in zip(together, alone, strict=True):
        for ours, theirs in zip(one.cache.identities(), other.cache.identities(), strict=True):
            assert torch.equal(ours, theirs)
        for name in ("keys", "values"):
            a, b = (widened(m.state().tensors[name]) for m in (one, other))
            assert float((a != b).float().mean()) < 0.01
            assert ((a - b).abs() <= (a.abs() / 7).clamp_min(2.0**-9)).all()
        torch.testing.assert_close(logits(one), logits(other), atol=2e-2, rtol=2e-2)


def test_bytes_do_not_grow() -> None:
    model = both("llava_onevision")[1]
    made, sizes = memory(model), set()
    for start in range(10):
        made.feed(tiny.pictures(2, side=64), [100_000 + 2000 * start, 101_000 + 2000 * start])
        slab = made.cache.held.slab
        sizes.add((made.device_bytes, slab.keys.nbytes + slab.values.nbytes))
    assert len(sizes) == 1
    assert made.device_bytes == 4 * model.layout.tokens * model.shape.bytes_per_token


def test_the_type_is_chosen_when_a_model_is_loaded() -> None:
    folder = tiny.folder()
    for name in ("fp8", "fp8_e4m3"):
        assert load(folder, kv_cache_dtype=name).shape.stored_dtype == EIGHT_BITS
    assert load(folder, kv_cache_dtype="auto").shape == tiny.model().shape
    with pytest.raises(InvalidInput, match="kv_cache_dtype: must be one of auto, fp8, fp8_e4m3"):
        load(folder, kv_cache_dtype="fp8_e5m2")


def test_kernels_are_told_of_it() -> None:
    pytest.importorskip("triton")
    wide, narrow = (reader_for(model) for model in both("llava_onevision"))
    assert isinstance(narrow, partial)
    assert (narrow.func, narrow.keywords) == (wide, {"eight_bits": True})
