"""Guidance is a true forward pass: eager attention agrees with it, and it leaves no trace."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from hermes.memory import POLICIES, FrameStamp, PackedPass, Row, StreamMemory, rotate
from hermes.vlm import VideoMemory, guidance_prompts
from hermes.vlm.guidance import projections
from hermes.vlm.preprocess import to_pixels
from tests.support import tiny
from tests.support.slow import slow

FRAMES = 5


def guided_pass(memory: StreamMemory, frames: torch.Tensor, prompts: list[torch.Tensor]) -> Any:
    """Feed frames, the last with the prompts packed after it. Returns the guidance rows."""
    model = tiny.model()
    tiny.feed(memory, frames[:-1])
    features = model.encode(frames[-1:])[0]
    row = memory.begin_frames([FrameStamp(99_000)], model.layout)
    guides = memory.guide([len(prompt) for prompt in prompts])
    rows: list[Row] = [row, *guides]
    model.forward(torch.cat([features, *prompts]), PackedPass(rows))
    memory.commit(row)
    return guides


def eager_attention(frames: torch.Tensor, prompt_ids: list[int]) -> torch.Tensor:
    """[layers, video tokens] from an ordinary forward of the plain model, eager attention."""
    from transformers import AutoModelForImageTextToText

    model = tiny.model()
    plain: Any = AutoModelForImageTextToText.from_pretrained(
        tiny.folder(), attn_implementation="eager"
    ).eval()
    prefix = model.tokenizer(model.template.prefix, add_special_tokens=False)["input_ids"]
    video = len(frames) * model.layout.tokens
    ids = [*prefix, *[plain.config.video_token_id] * (video + 1), *prompt_ids]
    pixels = to_pixels(frames, model.pixels, torch.float32).unsqueeze(0)
    with torch.inference_mode():
        output = plain(
            input_ids=torch.tensor([ids]), pixel_values_videos=pixels, output_attentions=True
        )
    start = len(prefix) + video  # the prompt's rows begin with the video's closing newline
    return torch.stack(
        [
            layer[0, :, start:, len(prefix) : len(prefix) + video].mean(dim=(0, 1))
            for layer in output.attentions
        ]
    )


def test_recorded_attention_is_eager_attention() -> None:
    model, frames = tiny.model(), tiny.pictures(FRAMES)
    guides = guided_pass(tiny.memory(), frames, list(guidance_prompts(model)))
    from hermes.vlm.guidance import GLOBAL, LOCAL

    for guide, text in zip(guides, (GLOBAL, f"{LOCAL} {GLOBAL}"), strict=True):
        ids = model.template.question_ids(model.tokenizer, text)
        expected = eager_attention(frames, ids)
        assert guide.attention.shape == expected.shape
        assert torch.allclose(guide.attention, expected, atol=1e-4)
        assert float(expected.sum(1).min()) > 0.1


def test_guidance_by_embeddings_is_what_the_authors_code_computes() -> None:
    """In every layer of the plain model: the embeddings' queries on all keys, no causal mask."""
    from transformers import AutoModelForImageTextToText

    model, frames = tiny.model(), tiny.pictures(FRAMES)
    prompts = guidance_prompts(model, "embeddings")
    memory = tiny.memory()
    tiny.feed(memory, frames[:-1])
    row = memory.begin_frames([FrameStamp(99_000)], model.layout)
    guides = memory.guide([len(p) for p in prompts], [projections(model, p) for p in prompts])
    rows: list[Row] = [row, *guides]
    model.forward(torch.cat([model.encode(frames[-1:])[0], *prompts]), PackedPass(rows))
    memory.commit(row)
    plain: Any = AutoModelForImageTextToText.from_pretrained(tiny.folder()).eval()
    text, slab, start = plain.config.text_config, memory.held.slab, memory.next_position
    heads, groups = text.num_attention_heads, text.num_attention_heads // slab.shape.kv_heads
    for guide, prompt in zip(guides, prompts, strict=True):
        turns = model.rotary.tables(torch.arange(start, start + len(prompt)).unsqueeze(0))
        for number, layer in enumerate(plain.model.language_model.layers):
            normal = layer.input_layernorm(prompt)
            query, key = layer.self_attn.q_proj(normal), layer.self_attn.k_proj(normal)
            asked = rotate(query.unflatten(-1, (heads, -1)).transpose(0, 1), turns)
            own = rotate(key.unflatten(-1, (heads // groups, -1)).transpose(0, 1), turns)
            keys = torch.cat((slab.rotated_keys(number, slab.length, model.rotary), own), 1)
            logits = asked @ keys.repeat_interleave(groups, 0).mT / asked.shape[-1] ** 0.5
            expected = logits.softmax(-1).mean((0, 1))[memory.prefix_length : slab.length]
            assert torch.allclose(guide.attention[number], expected, atol=1e-6)


def test_guidance_by_embeddings_leaves_no_trace() -> None:
    model, frames = tiny.model(), tiny.pictures(9)
    kept = VideoMemory(model, "hermes-published-code", budget=400, compress_every_frames=3)
    plain = VideoMemory(model, "sliding-window", budget=400, compress_every_frames=3)
    kept.feed(frames)
    plain.feed(frames)
    assert torch.equal(kept.cache.held.slab.keys, plain.cache.held.slab.keys)


def test_packed_prompts_equal_separate_passes_and_leave_no_trace() -> None:
    model, frames = tiny.model(), tiny.pictures(FRAMES)
    prompts = list(guidance_prompts(model))
    packed, unguided = tiny.memory(), tiny.memory()
    guides = guided_pass(packed, frames, prompts)
    alone = [guided_pass(tiny.memory(), frames, [prompt])[0] for prompt in prompts]
    for guide, single in zip(guides, alone, strict=True):
        assert torch.allclose(guide.attention, single.attention, atol=1e-6)
    tiny.feed(unguided, frames[:-1])
    tiny.feed(unguided, frames[-1:], start_ms=99_000)
    one, other = packed.held.slab, unguided.held.slab
    assert torch.allclose(one.keys, other.keys, atol=1e-5)
    assert torch.allclose(one.values, other.values, atol=1e-5)
    assert (packed.length, packed.next_position) == (unguided.length, unguided.next_position)


def test_guidance_while_an_answer_is_open() -> None:
    """The working copy of rotated keys that an answer needs does not change what guidance sees."""
    model, frames = tiny.model(), tiny.pictures(FRAMES)
    prompts = list(guidance_prompts(model))
    quiet = guided_pass(tiny.memory(), frames, prompts)
    memory = tiny.memory()
    tiny.feed(memory, frames[:2])
    with memory.branch(60) as branch:
        question = model.question("What now?")
        row = branch.row(len(question))
        model.forward(question, PackedPass([row]))
        features = model.encode(frames[2:])
        for index in range(3):
            new = memory.begin_frames([FrameStamp(index)], model.layout)
            rows: list[Row] = [new]
            inputs = [features[index]]
            if index == 2:
                asked = memory.guide([len(prompt) for prompt in prompts])
                rows += asked
                inputs += prompts
            model.forward(torch.cat(inputs), PackedPass(rows))
            memory.commit(new)
    for guide, expected in zip(asked, quiet, strict=True):
        assert torch.allclose(guide.attention, expected.attention, atol=1e-5)


def test_keeping_everything_changes_no_logit() -> None:
    """A guided policy with room for all frames answers like a memory that never compressed."""
    model, frames = tiny.model(), tiny.pictures(12)
    plain = VideoMemory(model, "sliding-window", budget=400)
    plain.feed(frames)
    for name in POLICIES:
        kept = VideoMemory(model, name, budget=400, compress_every_frames=3)
        kept.feed(frames)
        expected = tiny.answer(plain.cache, "What now?", 3)[1]
        assert torch.allclose(tiny.answer(kept.cache, "What now?", 3)[1], expected, atol=1e-5)


@pytest.mark.parametrize(
    "name", slow(["hermes", "hermes-paper", "hermes-published-code"], "hermes-paper")
)
def test_a_long_stream_stays_within_budget_and_answers(name: str) -> None:
    memory = VideoMemory(tiny.model(), name, budget=160, compress_every_frames=4)
    frames = tiny.pictures(8)
    sizes = set()
    for _ in range(6):
        memory.feed(frames)
        sizes.add(memory.cache.kv_bytes)
    assert len(sizes) == 1 or max(sizes) <= (160 + 64) * tiny.model().shape.bytes_per_token
    assert memory.coverage().frames_seen == 48
    assert memory.ask("What happened?", max_tokens=5)
