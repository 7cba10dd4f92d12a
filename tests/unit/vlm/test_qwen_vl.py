"""Both Qwen-VL families: the memory under the model is the model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from benchmarks.baselines.memories import MEMORIES
from hermes.errors import InvalidInput, Unsupported
from hermes.evaluation.last_frames import LastFrames
from hermes.memory import POLICIES, FrameStamp, PackedPass, Row
from hermes.vlm import VideoMemory, guidance_prompts, load
from tests.support import tiny_qwen
from tests.support.tiny_qwen import Tiny, plain_logits

QUESTION = "What is happening now?"


@pytest.fixture(params=tiny_qwen.FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def model(family: str) -> Tiny:
    return tiny_qwen.model(family)


def test_equals_the_plain_model(model: Tiny) -> None:
    """Qwen3-VL with the positions that transformers gives the same tokens. Qwen2.5-VL with those
    that it was trained with: `get_rope_index` of transformers 5.23 lets text go on in the midst of
    a video that is longer than its frames are wide.
    """
    pictures = tiny_qwen.pictures(model.model_type, 8)
    memory = tiny_qwen.memory(model)
    tiny_qwen.feed(model, memory, pictures)
    ids, logits = tiny_qwen.answer(model, memory, QUESTION, 8)
    own = model.model_type != "qwen2_5_vl"
    expected = plain_logits(model, pictures, QUESTION, ids[:-1], own_positions=own)
    assert torch.allclose(logits, expected, atol=2e-4, rtol=0)
    assert logits.argmax(-1).tolist() == expected.argmax(-1).tolist()


def test_equals_the_plain_model_with_its_own_positions(model: Tiny) -> None:
    """A video that is no longer than its frames are wide: there is no question about text."""
    pictures = tiny_qwen.pictures(model.model_type, 2)
    memory = tiny_qwen.memory(model)
    tiny_qwen.feed(model, memory, pictures)
    ids, logits = tiny_qwen.answer(model, memory, QUESTION, 4)
    expected = plain_logits(model, pictures, QUESTION, ids[:-1], own_positions=True)
    assert torch.allclose(logits, expected, atol=2e-4, rtol=0)


def test_frames_one_by_one_equal_frames_together(model: Tiny) -> None:
    pictures = tiny_qwen.pictures(model.model_type, 3)
    together = torch.stack(model.encode(pictures))
    alone = torch.stack([model.encode(pair)[0] for pair in pictures.split(2)])
    assert torch.allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_every_policy_keeps_to_its_budget_and_answers(model: Tiny, name: str) -> None:
    budget = 5 * model.layout.tokens + 3
    memory = VideoMemory(model, name, budget=budget, compress_every_frames=3)
    for round in range(5):
        memory.feed(tiny_qwen.pictures(model.model_type, 4, seed=round))
        assert memory.cache.video_tokens <= budget + 3 * model.most_frame_tokens
    assert memory.coverage().frames_seen == 20
    memory.ask(QUESTION, 4)
    logits = tiny_qwen.answer(model, memory.cache, QUESTION, 3)[1]
    assert bool(torch.isfinite(logits).all())


def test_every_policy_with_room_for_all_keeps_the_answer(model: Tiny) -> None:
    pictures = tiny_qwen.pictures(model.model_type, 6)
    unbounded = VideoMemory(model, "sliding-window", budget=1000)
    unbounded.feed(pictures)
    expected = tiny_qwen.answer(model, unbounded.cache, QUESTION, 3)[1]
    for name in POLICIES:
        kept = VideoMemory(model, name, budget=400, compress_every_frames=2)
        kept.feed(pictures)
        assert torch.allclose(
            tiny_qwen.answer(model, kept.cache, QUESTION, 3)[1], expected, atol=1e-5
        )


@pytest.mark.parametrize("name", sorted(set(MEMORIES) - set(POLICIES)))
def test_baselines_answer_too(model: Tiny, name: str) -> None:
    memory = MEMORIES[name](model, 5 * model.layout.tokens, 3)
    memory.feed(tiny_qwen.pictures(model.model_type, 9))
    memory.ask(QUESTION, 3)
    assert memory.coverage().frames_seen == 9


def test_last_frames_show_a_picture_that_waits(model: Tiny) -> None:
    """As a frame of its own, in place of the oldest; the question leaves it waiting."""
    pictures = tiny_qwen.pictures(model.model_type, 4)
    budget = 2 * model.most_frame_tokens
    odd, even = (LastFrames(model, budget=budget) for _ in range(2))
    odd.feed(pictures[:5])
    times = [0, 1000, 2000, 3000, 4000, 4000]
    even.feed(torch.cat((pictures[:5], pictures[4:5])), times)
    size = tiny_qwen.frame_size(model.model_type)
    assert odd.tokens == even.tokens == 2 * model.frame_tokens(size)
    found, wanted = (
        [one.probability for one in memory.choose(QUESTION, ["a", "b"])] for memory in (odd, even)
    )
    assert found == pytest.approx(wanted, abs=1e-5)
    odd.feed(pictures[5:6], [5000])
    assert odd.coverage().frames_seen == 3


def test_packed_rows_equal_one_by_one(model: Tiny) -> None:
    """Frames of one camera, guidance after them, and questions about two others in one pass."""
    pictures = tiny_qwen.pictures(model.model_type, 6)
    alone = [tiny_qwen.memory(model) for _ in range(3)]
    packed = [tiny_qwen.memory(model) for _ in range(3)]
    for index in range(3):
        tiny_qwen.feed(model, alone[index], pictures[: 2 + 2 * index])
        tiny_qwen.feed(model, packed[index], pictures[: 2 + 2 * index])
    question, prompt = model.question(QUESTION), guidance_prompts(model)[0]
    extra = model.encode(pictures[-2:])[0]
    tiny_qwen.feed(model, alone[0], pictures[-2:], start_ms=50_000)
    expected = [tiny_qwen.answer(model, memory, QUESTION, 1)[1][0] for memory in alone]

    writing = packed[0].begin_frames([FrameStamp(50_000)], model.layout)
    with packed[1].branch(100) as one, packed[2].branch(100) as two:
        rows: list[Row] = [one.row(len(question)), writing]
        rows += [*packed[0].guide([len(prompt)]), two.row(len(question))]
        inputs = torch.cat((question, extra, prompt, question))
        hidden = model.forward(inputs, PackedPass(rows))
        packed[0].commit(writing)
    found = [
        tiny_qwen.answer(model, packed[0], QUESTION, 1)[1][0],
        model.logits(hidden[len(question) - 1]),
        model.logits(hidden[-1]),
    ]
    for got, want in zip(found, expected, strict=True):
        assert torch.allclose(got, want, atol=2e-4, rtol=0)


def test_a_question_leaves_memory_bit_equal(model: Tiny) -> None:
    memory = tiny_qwen.memory(model)
    tiny_qwen.feed(model, memory, tiny_qwen.pictures(model.model_type, 4))
    slab = memory.held.slab
    fields = ("keys", "values", "positions", "frames", "patches")
    before = {name: getattr(slab, name).clone() for name in fields}
    clock = (memory.length, memory.next_position, list(memory.held.clock.origin))
    tiny_qwen.answer(model, memory, QUESTION, 5)
    assert memory.held.slab is slab
    assert (memory.length, memory.next_position, memory.held.clock.origin) == clock
    for name in fields:
        assert torch.equal(getattr(slab, name), before[name]), name


def test_one_picture_is_not_a_frame(model: Tiny) -> None:
    pictures = tiny_qwen.pictures(model.model_type, 1)
    with pytest.raises(InvalidInput, match="2 make a frame"):
        model.encode(pictures[:1])
    memory = VideoMemory(model, "sliding-window", budget=100)
    memory.feed(pictures[:1])
    assert memory.coverage().frames_seen == 0
    memory.feed(pictures[1:])
    assert memory.coverage().frames_seen == 1


def test_frames_of_another_size_are_resized(model: Tiny) -> None:
    pictures = torch.zeros((2, 3, 50, 70), dtype=torch.uint8)
    (features,) = model.encode(pictures)
    assert len(features) == model.layout.tokens


def test_a_question_closes_the_video(model: Tiny) -> None:
    """What precedes the answer is the rendered chat template, cut where the video lies."""
    end = tiny_qwen.plain(model.model_type).config.vision_end_token_id
    ids = model.template.question_ids(model.tokenizer, "<|vision_end|><|im_end|> hello")
    assert ids.count(end) == 1
    assert ids[0] == end
    assert ids.count(model.tokenizer.eos_token_id) == 1
    assert model.template.prefix.endswith("<|vision_start|>")


@pytest.mark.parametrize("size", [(84, 100), (0, 112), (4480, 4480), (32, 32)])
def test_a_size_that_does_not_fit_is_refused(family: str, size: tuple[int, int]) -> None:
    with pytest.raises(InvalidInput, match="frame_size"):
        load(tiny_qwen.folder(family), frame_size=size)


def test_patches_that_do_not_fit_the_tower_are_refused(family: str, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny_qwen.folder(family), tmp_path / "copy")
    settings = tiny_qwen.pixel_settings(family) | {"patch_size": 8}
    (copy / "preprocessor_config.json").write_text(json.dumps(settings))
    with pytest.raises(Unsupported, match="do not fit"):
        load(copy)


@pytest.mark.parametrize("missing", ["patch_size", "temporal_patch_size", "size", "image_mean"])
def test_settings_that_are_missing_are_named(family: str, tmp_path: Path, missing: str) -> None:
    copy = shutil.copytree(tiny_qwen.folder(family), tmp_path / "copy")
    settings = tiny_qwen.pixel_settings(family)
    del settings[missing]
    (copy / "preprocessor_config.json").write_text(json.dumps(settings))
    name = "min_pixels" if missing == "size" else missing
    with pytest.raises(Unsupported, match=name):
        load(copy)
