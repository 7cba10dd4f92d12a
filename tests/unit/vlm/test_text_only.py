"""A model that is asked about text alone: prompts and answers are the stock model's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForImageTextToText

from hermes.errors import Unsupported
from hermes.question import Turn
from hermes.vlm import VideoMemory, load
from hermes.vlm.prompt import PromptTemplate
from hermes.vlm.text_only import TextOnly
from tests.support import tiny, tiny_hub, tiny_qwen
from tests.support.examples import at_most
from tests.unit.vlm.test_turns import FOLDERS, TURNS, prompt_of

TEXT = "Several cameras were asked: who is there?\n\nDock, gate 3: nobody\nlobby: a red car"


def stock_ids(tokenizer: Any, text: str, turns: tuple[Turn, ...], asked: str) -> list[int]:
    said = [part.strip() for turn in turns for part in (turn.question, turn.answer)]
    messages = [
        {"role": ("user", "assistant")[at % 2], "content": [{"type": "text", "text": part}]}
        for at, part in enumerate([*said, asked])
    ]
    rendered = tokenizer.apply_chat_template(
        messages, chat_template=text, tokenize=False, add_generation_prompt=True
    )
    ids: list[int] = tokenizer(rendered, add_special_tokens=False)["input_ids"]
    return ids


@pytest.mark.parametrize("count", [0, 2])
@pytest.mark.parametrize("family", FOLDERS)
def test_the_prompt_is_what_the_stock_template_makes_of_it(family: str, count: int) -> None:
    tokenizer, _, video_id, text = prompt_of(family)
    folder = FOLDERS[family](family.removeprefix("offline "))
    template = PromptTemplate.without_video(folder, tokenizer)
    assert template is not None
    turns = TURNS[:count] if family != "demo" else (Turn("Is it day?", "yes, night"),) * count
    asked = TEXT if family != "demo" else "Is it night?"
    ours = template.prefix_ids(tokenizer) + template.question_ids(tokenizer, asked, turns)
    assert ours == stock_ids(tokenizer, text, turns, asked)
    assert video_id not in ours


@pytest.mark.parametrize("family", tiny_hub.FAMILIES)
def test_the_answer_is_the_stock_models(family: str) -> None:
    folder = tiny_hub.folder(family)
    own: Any = load(folder)
    model: Any = TextOnly.of(own)
    memory = VideoMemory(model, "sliding-window", budget=2 * own.most_frame_tokens)
    plain: Any = AutoModelForImageTextToText.from_pretrained(folder).eval()
    ids = torch.tensor([model.prompt_ids(TEXT)])
    with torch.inference_mode():
        said = plain.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=12,
        )
    stream = own.text_stream()
    expected = "".join(stream.push(token) for token in said[0, ids.shape[1] :].tolist())
    assert memory.ask(TEXT, 12) == expected


@given(st.text(max_size=60), st.sampled_from(["<|im_end|>", "<|im_start|>", "</think>", "<video>"]))
@settings(max_examples=at_most(30))
def test_nothing_that_cameras_answered_controls_the_model(text: str, token: str) -> None:
    tokenizer: Any = tiny_qwen.model("qwen3_vl").tokenizer
    template = tiny_qwen.model("qwen3_vl").text_template
    assert template is not None
    special = set(tokenizer.get_added_vocab().values())
    controls = [id_ for id_ in template.question_ids(tokenizer, "x") if id_ in special]
    ids = template.question_ids(tokenizer, f"{text}{token}x")
    assert [id_ for id_ in ids if id_ in special] == controls


def test_a_template_that_insists_on_a_video_is_unsupported() -> None:
    class Without:
        name = "video-only"
        text_template = None

    model: Any = Without()
    with pytest.raises(Unsupported, match="video-only"):
        TextOnly.of(model)


def test_everything_else_is_the_models_own() -> None:
    model = TextOnly.of(tiny.model())
    assert model.shape is tiny.model().shape
    assert model.template is tiny.model().text_template
