"""Answers are those of the model's own `generate`, with the penalties that its makers chose."""

from __future__ import annotations

import json
import logging
import shutil
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from hermes.errors import InvalidInput
from hermes.vlm import TokenChoice, VideoMemory, VideoModel, load
from hermes.vlm.preprocess import patchify, to_pixels
from tests.support import tiny_hub
from tests.support.slow import slow
from tests.support.waits import Waits

QUESTION = "Who is there?"
TOKENS = 24


@cache
def model(family: str) -> VideoModel:
    return load(tiny_hub.folder(family))


def with_settings(family: str, folder: Path, **settings: object) -> Path:
    copy = shutil.copytree(tiny_hub.folder(family), folder)
    path = copy / "generation_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))
    return copy


def frame(own: VideoModel) -> Tensor:
    """The pictures of one frame."""
    generator = torch.Generator().manual_seed(3)
    size = (own.pictures_per_frame, 3, *own.frame_size)
    return torch.randint(0, 256, size, dtype=torch.uint8, generator=generator)


def generated(folder: Path, own: Any, pictures: Tensor) -> list[int]:
    """What transformers' own model says, greedily, by its own generation configuration."""
    from transformers import AutoModelForImageTextToText

    plain = AutoModelForImageTextToText.from_pretrained(folder).eval()
    video, tokenizer = plain.config.video_token_id, own.tokenizer
    prefix, asked = (
        own.template.prefix_ids(tokenizer),
        own.template.question_ids(tokenizer, QUESTION),
    )
    pixels = to_pixels(pictures, own.pixels, torch.float32)
    if own.model_type == "llava_onevision":
        ids = [*prefix, *[video] * (own.layout.tokens + 1), *asked]
        more: dict[str, Any] = {"pixel_values_videos": pixels.unsqueeze(0)}
    else:
        rows, columns = (side // own.patches.unit for side in own.frame_size)
        marks = [plain.config.vision_start_token_id, plain.config.vision_end_token_id]
        own_video = [video] * (rows * columns)
        if own.model_type != "qwen2_5_vl":
            time = tokenizer("<0.0 seconds>", add_special_tokens=False)["input_ids"]
            own_video = [*time, marks[0], *own_video, marks[1]]
        ids = [*prefix, *own_video, *asked]
        more = {
            "pixel_values_videos": patchify(pixels, own.patches),
            "video_grid_thw": torch.tensor([[1, 2 * rows, 2 * columns]]),
            "mm_token_type_ids": 2 * (torch.tensor([ids]) == video).int(),
        }
    tokens = torch.tensor([ids])
    found = plain.generate(
        input_ids=tokens,
        attention_mask=torch.ones_like(tokens),
        do_sample=False,
        max_new_tokens=TOKENS,
        **more,
    )
    answer: list[int] = found[0, len(ids) :].tolist()
    return answer


@pytest.mark.parametrize(
    ("family", "penalty"),
    slow(
        product(tiny_hub.FAMILIES, (None, 1.3, 0.8)),
        *product(("llava_onevision", "qwen3_vl_moe"), (1.3, 0.8)),
        *(("qwen2_5_vl", 1.3), ("qwen3_vl", 0.8)),
    ),
)
@pytest.mark.filterwarnings("ignore:The following generation flags:UserWarning")
def test_an_answer_is_what_the_model_itself_generates(
    family: str, penalty: float | None, tmp_path: Path
) -> None:
    """`None`: as the checkpoint says. Qwen2.5-VL's own penalty is 1.05."""
    folder = tiny_hub.folder(family)
    if penalty is not None:
        folder = with_settings(family, tmp_path / "copy", repetition_penalty=penalty)
    own: Any = load(folder)
    memory = VideoMemory(own, "sliding-window", budget=2000)
    memory.feed(frame(own), [0] * own.pictures_per_frame)
    expected, stream = generated(folder, own, frame(own)), own.text_stream()
    assert memory.ask(QUESTION, TOKENS) == "".join(stream.push(token) for token in expected)


def test_a_penalty_changes_what_is_said(tmp_path: Path) -> None:
    answers = set()
    for penalty in (1.0, 1.6):
        name = str(penalty)
        folder = with_settings("qwen3_vl", tmp_path / name, repetition_penalty=penalty)
        memory = VideoMemory(load(folder), "sliding-window", budget=2000)
        memory.feed(frame(memory.model))
        answers.add(memory.ask(QUESTION, TOKENS))
    assert len(answers) == 2


def test_the_published_settings_are_read() -> None:
    assert [model(family).decoding.repetition_penalty for family in tiny_hub.FAMILIES] == [
        1.0,
        1.05,
        1.0,
        1.0,
    ]
    ids = load(tiny_hub.folder("qwen2_5_vl")).decoding.end_ids
    assert len(ids) == 2


def test_a_penalty_that_is_not_valid_is_refused(tmp_path: Path) -> None:
    folder = with_settings("qwen3_vl", tmp_path / "copy", repetition_penalty=-1.0)
    with pytest.raises(InvalidInput, match=r"repetition_penalty of -1\.0"):
        load(folder)


def test_what_is_not_honoured_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = with_settings("qwen3_vl", tmp_path / "copy", no_repeat_ngram_size=3)
    with caplog.at_level(logging.WARNING, logger="hermes"):
        load(folder)
    assert "not honoured in its generation_config: no_repeat_ngram_size" in caplog.text


def test_answers_beside_each_other_have_their_own_penalties() -> None:
    """And a row that was given back begins anew."""
    own = model("qwen2_5_vl")
    choice = TokenChoice(own)
    width = own.decoding.vocabulary
    logits = torch.zeros((1, width))
    logits[0, 7], logits[0, 9] = 2.0, 1.95
    rows = [choice.begin(QUESTION) for _ in range(6)]
    assert len(set(rows)) == 6
    first = choice.choose(logits.expand(2, -1), rows[:2]).tolist()
    assert first == [7, 7]
    assert choice.choose(logits.expand(2, -1), [rows[1], rows[5]]).tolist() == [9, 7]
    choice.end(rows[1])
    again = choice.begin(QUESTION)
    assert again == rows[1]
    assert choice.choose(logits, [again]).tolist() == [7]


def test_a_token_of_the_question_is_less_likely() -> None:
    own: Any = model("qwen2_5_vl")
    choice, asked = TokenChoice(own), own.tokenizer.encode("car", add_special_tokens=False)[0]
    logits = torch.zeros((1, own.decoding.vocabulary))
    logits[0, asked], logits[0, 9] = 2.0, 1.95
    assert choice.choose(logits, [choice.begin("Who?")]).tolist() == [asked]
    assert choice.choose(logits, [choice.begin("car")]).tolist() == [9]


def test_choosing_does_not_wait_for_the_device() -> None:
    own = model("qwen2_5_vl")
    choice = TokenChoice(own)
    row = choice.begin(QUESTION)
    with Waits() as waits:
        choice.choose(torch.zeros((1, own.decoding.vocabulary)), [row])
    assert waits.seen == []
