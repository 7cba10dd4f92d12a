"""Against the processor and the `generate` of transformers, from the files of the checkpoint alone.

The stock processors of video need torchvision.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from hermes.vlm import VideoMemory, load
from tests.support import tiny_hub
from tests.support import tiny_hub_templates as templates

QUESTION = "Who is there?"
TOKENS = 16
SIZE = (84, 112)  # a size that the stock processor of Qwen2.5-VL leaves as it is


def stock(folder: Path) -> Any:
    pytest.importorskip("torchvision", reason="the stock processors of video need torchvision")
    from transformers import AutoProcessor

    return AutoProcessor.from_pretrained(folder)


def conversation() -> list[dict[str, Any]]:
    return [
        {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": QUESTION}]},
    ]


def pictures(count: int, height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    size = (count, 3, height, width)
    return torch.randint(0, 256, size, dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("template", ["own", "thinking"])
@pytest.mark.parametrize("family", tiny_hub.FAMILIES)
def test_the_prompt_is_the_stock_processors(family: str, template: str, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny_hub.folder(family), tmp_path / "copy")
    if template == "thinking":
        if not family.startswith("qwen3"):
            pytest.skip("has no variant that thinks")
        tiny_hub.write_template(copy, templates.QWEN3_VL_THINKING)
    processor, model = stock(copy), load(copy)
    own: Any = model
    text = processor.apply_chat_template(conversation(), add_generation_prompt=True)
    expected = processor.tokenizer(text, add_special_tokens=False)["input_ids"]
    prefix = own.template.prefix_ids(own.tokenizer)
    question = own.template.question_ids(own.tokenizer, QUESTION)
    video = expected[len(prefix) : len(expected) - len(question)]
    assert expected[: len(prefix)] == prefix
    assert expected[-len(question) :] == question
    one = ["<video>"] if family == "llava_onevision" else ["<|video_pad|>"]
    assert own.tokenizer.convert_ids_to_tokens(video) == one


@pytest.mark.parametrize(
    ("family", "count"),
    [("llava_onevision", 1), ("llava_onevision", 5), ("qwen2_5_vl", 2)],
)
def test_an_answer_is_the_stock_models(family: str, count: int) -> None:
    """Videos for which position and time are no question; penalties as the checkpoint has them."""
    from transformers import AutoModelForImageTextToText

    folder = tiny_hub.folder(family)
    processor = stock(folder)
    frames = pictures(count, *((64, 64) if family == "llava_onevision" else SIZE))
    options: dict[str, Any] = {} if family == "llava_onevision" else {"frame_size": SIZE}
    own: Any = load(folder, **options)
    memory = VideoMemory(own, "sliding-window", budget=2000)
    memory.feed(frames)

    text = processor.apply_chat_template(conversation(), add_generation_prompt=True)
    inputs = processor(text=[text], videos=[frames], return_tensors="pt", do_sample_frames=False)
    plain: Any = AutoModelForImageTextToText.from_pretrained(folder).eval()
    with torch.inference_mode():
        said = plain.generate(**inputs, do_sample=False, max_new_tokens=TOKENS)
    stream = own.text_stream()
    expected = said[0, inputs["input_ids"].shape[1] :].tolist()
    assert memory.ask(QUESTION, TOKENS) == "".join(stream.push(token) for token in expected)
