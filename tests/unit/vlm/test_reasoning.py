"""What a model thinks is kept apart from what it answers."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from hermes.vlm import load
from hermes.vlm.answer_text import AnswerText
from hermes.vlm.prompt import PromptTemplate
from tests.support import tiny, tiny_hub
from tests.support import tiny_hub_templates as templates

FAMILY = "qwen3_vl"
VIDEO = "<|video_pad|>"


@pytest.fixture
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(tiny_hub.folder(FAMILY))


def said(tokenizer: Any, text: str, *, thinking: bool) -> AnswerText:
    stream = AnswerText(tokenizer, thinking)
    stream_text = "".join(map(stream.push, tokenizer.encode(text)))
    assert stream_text == text.rpartition("</think>")[2].lstrip()
    return stream


def with_template(template: str, folder: Path, *, jinja: bool) -> Path:
    copy = shutil.copytree(tiny_hub.folder(FAMILY), folder)
    for old in ("chat_template.jinja", "chat_template.json"):
        (copy / old).unlink()
    tiny_hub.write_template(copy, template, jinja=jinja)
    return copy


@pytest.mark.parametrize(
    ("text", "thinking", "reasoning"),
    [
        ("A red car.", False, ""),
        ("The car.\n</think>\n\nA red car.", True, "The car."),
        ("<think>\nThe car.\n</think>\n\n A red car.\n", False, "The car."),
        ("<think>\n\n</think>\n\nA red car.", False, ""),
        ("\nHmm 猫</think>猫", True, "Hmm 猫"),
    ],
)
def test_reasoning_is_kept_apart(tokenizer: Any, text: str, thinking: bool, reasoning: str) -> None:
    stream = said(tokenizer, text, thinking=thinking)
    assert stream.reasoning == reasoning
    before = tokenizer.encode(text.partition("</think>")[0] + "</think>")
    assert stream.reasoning_tokens == (len(before) if "</think>" in text else 0)


def test_an_answer_that_ends_in_reasoning_has_no_text(tokenizer: Any) -> None:
    stream = AnswerText(tokenizer, thinking=True)
    ids = tokenizer.encode("What is the car")
    assert [stream.push(id) for id in ids] == [""] * len(ids)
    assert (stream.reasoning, stream.reasoning_tokens) == ("What is the car", len(ids))


def test_without_a_token_that_ends_reasoning_all_is_the_answer() -> None:
    """A template that spells `<think>` for a tokenizer that does not know it."""
    tokenizer = AutoTokenizer.from_pretrained(tiny.folder())
    stream = AnswerText(tokenizer, thinking=True)
    plain = AnswerText(tokenizer)
    ids = tokenizer.encode("a red van")
    text = [plain.push(id) for id in ids]
    assert [stream.push(id) for id in ids] == text != [""] * len(ids)
    assert stream.reasoning_tokens == 0


@pytest.mark.parametrize("jinja", [True, False])
def test_a_template_says_that_the_model_begins_with_reasoning(tmp_path: Path, jinja: bool) -> None:
    folder = with_template(templates.QWEN3_VL_THINKING, tmp_path / "copy", jinja=jinja)
    model: Any = load(folder)
    assert model.template.thinking
    ids = model.template.question_ids(model.tokenizer, "Who?")
    assert model.tokenizer.decode(ids[-2:]) == "<think>\n"
    stream = model.text_stream()
    ids = model.tokenizer.encode("a van</think>a car")
    assert "".join(map(stream.push, ids)) == "a car"
    assert stream.reasoning == "a van"


def test_a_switch_of_the_template_is_off(tmp_path: Path, tokenizer: Any) -> None:
    folder = with_template(templates.SWITCHED, tmp_path / "copy", jinja=True)
    template = PromptTemplate.from_checkpoint(folder, tokenizer, VIDEO)
    assert template.after.endswith("<think>\n\n</think>\n\n")
    assert not template.thinking


@pytest.mark.parametrize("family", tiny_hub.FAMILIES)
def test_models_that_do_not_think_begin_with_their_answer(family: str) -> None:
    model: Any = load(tiny_hub.folder(family))
    assert not model.template.thinking
