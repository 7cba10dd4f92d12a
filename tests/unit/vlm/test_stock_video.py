"""Videos against the processor and the model of transformers: token ids, positions, logits.

The stock processors of video need torchvision.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from hermes.memory import PackedPass
from hermes.vlm import VideoMemory, load
from tests.support import tiny_hub

QUESTION = "Who is there?"
QWEN = ("qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe")
SIDES = {"llava_onevision": (64, 64), "qwen2_5_vl": (84, 112), "qwen3_vl": (96, 128)}


@cache
def stock(family: str) -> tuple[Any, Any]:
    """The processor and the model."""
    pytest.importorskip("torchvision", reason="the stock processors of video need torchvision")
    from transformers import AutoModelForImageTextToText, AutoProcessor

    folder = tiny_hub.folder(family)
    model: Any = AutoModelForImageTextToText.from_pretrained(folder)
    return AutoProcessor.from_pretrained(folder), model.eval()


@cache
def own_model(family: str, size: tuple[int, int] | None) -> Any:
    options: dict[str, Any] = {} if size is None else {"frame_size": size}
    return load(tiny_hub.folder(family), **options)


@cache
def roomy(family: str) -> Any:
    """A model whose frames have as many tokens as the stock processor would give them."""
    options: dict[str, Any] = {} if family == "llava_onevision" else {"frame_tokens": 200}
    return load(tiny_hub.folder(family), **options)


def pictures(count: int, size: tuple[int, int]) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randint(0, 256, (count, 3, *size), dtype=torch.uint8, generator=generator)


def stock_inputs(family: str, frames: Tensor, rate: float, indices: Any = None) -> Any:
    processor, _ = stock(family)
    content = [{"type": "video"}, {"type": "text", "text": QUESTION}]
    conversation = [{"role": "user", "content": content}]
    text = processor.apply_chat_template(conversation, add_generation_prompt=True)
    indices = list(range(len(frames))) if indices is None else list(indices)
    if family.startswith("qwen3") and len(indices) == 1:
        frames, indices = frames.repeat(2, 1, 1, 1), [0, 0]  # it takes no video of one picture
    count = len(frames)
    metadata = {
        "fps": rate,
        "total_num_frames": indices[-1] + 1,
        "frames_indices": indices,
        "duration": count / rate,
        "height": frames.shape[-2],
        "width": frames.shape[-1],
    }
    return processor(
        text=[text],
        videos=[frames],
        video_metadata=[metadata],
        do_sample_frames=False,
        return_tensors="pt",
    )


def stock_positions(family: str, inputs: Any) -> Tensor | None:
    """[3, n] with text after the largest position of the video, as the models were trained."""
    if family == "llava_onevision":
        return None
    _, model = stock(family)
    ids = inputs["input_ids"]
    more = {"second_per_grid_ts": inputs["second_per_grid_ts"]} if "2_5" in family else {}
    found: Tensor = model.model.get_rope_index(
        ids,
        mm_token_type_ids=inputs["mm_token_type_ids"],
        video_grid_thw=inputs["video_grid_thw"],
        **more,
    )[0][:, 0]
    if "2_5" in family:
        last = int((ids[0] == model.config.video_token_id).nonzero()[-1]) + 1
        start = int(found[:, :last].max()) + 1
        found[:, last:] = torch.arange(start, start + len(ids[0]) - last)
    return found


@torch.inference_mode()
def stock_logits(family: str, frames: Tensor, rate: float) -> Tensor:
    _, model = stock(family)
    inputs = stock_inputs(family, frames, rate)
    positions = stock_positions(family, inputs)
    more = {} if positions is None else {"position_ids": positions.unsqueeze(1)}
    found: Tensor = model(**inputs, **more).logits[0, -1]
    return found


def fed(family: str, frames: Tensor, rate: float, size: tuple[int, int] | None) -> VideoMemory:
    memory = VideoMemory(own_model(family, size), "sliding-window", budget=3000)
    memory.feed(frames, [round(1000 * at / rate) + 77_000 for at in range(len(frames))])
    return memory


@torch.inference_mode()
def own_logits(memory: VideoMemory) -> Tensor:
    model = memory.model
    question = model.question(QUESTION)
    with memory.branch(len(question)) as branch:
        inputs = branch.opened_by(question)
        row = branch.row(len(inputs))
        return model.logits(model.forward(inputs, PackedPass([row]))[-1])


def own_positions(memory: VideoMemory) -> Tensor:
    """[axes, n] of everything that an answer reads, in order."""
    held = memory.cache.held
    asked = len(memory.model.question(QUESTION))
    with memory.branch(asked) as branch:
        opening = len(branch.opened_by(memory.model.question(QUESTION)))
        read = held.slab.positions[0, :, : held.slab.length]
        return torch.cat((read, branch.positions(opening)), dim=1)


@pytest.mark.parametrize("count", [1, 2, 5, 8])
@pytest.mark.parametrize("rate", [0.5, 1.0, 2.0, 3.0, 4.0])
@pytest.mark.parametrize("family", QWEN)
def test_tokens_and_positions_are_the_stock_ones(family: str, rate: float, count: int) -> None:
    size = SIDES[family.removesuffix("_moe")]
    frames = pictures(count, size)
    memory = fed(family, frames, rate, size)
    inputs = stock_inputs(family, frames, rate)
    positions = stock_positions(family, inputs)
    assert positions is not None
    assert torch.equal(own_positions(memory).long(), positions)


@pytest.mark.parametrize("family", ["qwen3_vl", "qwen3_vl_moe"])
@torch.inference_mode()
def test_times_across_a_gap_are_the_stock_ones(family: str) -> None:
    seconds, size = [0, 1, 600, 601, 3600], SIDES["qwen3_vl"]
    frames = pictures(len(seconds), size)
    memory = VideoMemory(own_model(family, size), "sliding-window", budget=3000)
    memory.feed(frames, [1000 * at for at in seconds])
    inputs = stock_inputs(family, frames, 1.0, seconds)
    positions = stock_positions(family, inputs)
    assert positions is not None
    assert torch.equal(own_positions(memory).long(), positions)
    _, model = stock(family)
    expected = model(**inputs, position_ids=positions.unsqueeze(1)).logits[0, -1]
    assert torch.allclose(own_logits(memory), expected, atol=1e-4, rtol=0)


SHAPES = {"4:3": (120, 160), "16:9": (126, 224), "1:1": (150, 150), "9:16": (320, 180)}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("family", tiny_hub.FAMILIES)
def test_pictures_of_any_shape_are_seen_as_the_stock_processor_shows_them(
    family: str, shape: str
) -> None:
    frames = pictures(3, SHAPES[shape])
    memory = VideoMemory(roomy(family), "sliding-window", budget=3000)
    memory.feed(frames)
    expected = stock_logits(family, frames, 1.0)
    assert torch.allclose(own_logits(memory), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("count", "rate"), [(1, 1.0), (4, 3.0), (7, 1.0), (9, 2.0)])
@pytest.mark.parametrize("family", tiny_hub.FAMILIES)
def test_logits_are_the_stock_models(family: str, count: int, rate: float) -> None:
    """Odd and even numbers of pictures; the last of an odd number has no partner yet."""
    size = SIDES[family.removesuffix("_moe")]
    frames = pictures(count, size)
    memory = fed(family, frames, rate, None if family == "llava_onevision" else size)
    expected = stock_logits(family, frames, rate)
    assert torch.allclose(own_logits(memory), expected, atol=1e-4, rtol=0)
