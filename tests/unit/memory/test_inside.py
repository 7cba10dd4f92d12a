"""A look inside counts every token of every layer once."""

from __future__ import annotations

import pytest
import torch

from hermes.memory import POLICIES, FrameStamp, look_inside
from hermes.vlm import VideoMemory
from tests.support import tiny
from tests.support.slow import slow


@pytest.mark.parametrize("policy", slow(sorted(POLICIES), "attention-sinks", "hermes-paper"))
def test_counts_what_the_layers_hold(policy: str) -> None:
    model = tiny.model()
    memory = VideoMemory(model, policy, budget=96, compress_every_frames=3)
    for number, picture in enumerate(tiny.pictures(30)):
        stamp = FrameStamp(number * 500 + (4_000 if number >= 28 else 0))
        memory.take(picture, stamp, after_gap=number == 28)
    contents = look_inside(memory.cache)
    assert (contents.policy, contents.budget, contents.tokens) == (policy, 96, 96)
    assert (contents.frame_tokens, contents.frames_seen) == (model.layout.tokens, 30)
    assert contents.bytes == 96 * model.shape.bytes_per_token
    assert contents.gaps == ((13_500, 18_000),)
    assert [layer.number for layer in contents.layers] == list(range(model.shape.layers))
    frames, patches = memory.cache.identities()
    for layer in contents.layers:
        assert layer.tokens == 96
        assert [f.number for f in layer.frames] == sorted({f.number for f in layer.frames})
        for frame in layer.frames:
            mine = frames[layer.number] == frame.number
            assert frame.summaries == int((mine & (patches[layer.number] == -1)).sum())
            assert frame.tokens == int(mine.sum()) - frame.summaries
            assert 0 <= contents.share(frame) <= 1
            assert contents.times[frame.number] == frame.number * 500 + (
                4_000 if frame.number >= 28 else 0
            )
    held = {frame.number for layer in contents.layers for frame in layer.frames}
    assert list(contents.times) == sorted(held)
    names = {layer.number: name for name, layers in contents.bands() for layer in layers}
    assert [names[n] for n in range(10)] == ["sensory"] + ["working"] * 6 + ["long_term"] * 3
    has_summaries = any(f.summaries for layer in contents.layers for f in layer.frames)
    assert has_summaries == policy.startswith("hermes")


def test_an_empty_memory() -> None:
    contents = look_inside(VideoMemory(tiny.model(), budget=96).cache)
    assert (contents.times, contents.tokens, contents.frame_tokens) == ({}, 0, 0)
    assert all(layer.frames == () for layer in contents.layers)


def test_looking_changes_nothing() -> None:
    memory = VideoMemory(tiny.model(), budget=96, compress_every_frames=3)
    memory.feed(tiny.pictures(10))
    before = memory.state()
    look_inside(memory.cache)
    after = memory.state()
    assert before.header == after.header
    assert all(torch.equal(t, after.tensors[name]) for name, t in before.tensors.items())
