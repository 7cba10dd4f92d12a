"""Earlier turns of a conversation, as the model's own chat template writes them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from hermes.demo.checkpoint import WEIGHTS
from hermes.errors import InvalidInput, Unsupported
from hermes.question import Turn
from hermes.vlm import VideoMemory
from hermes.vlm.model_folder import read_json
from hermes.vlm.prompt import PromptTemplate
from tests.support import tiny, tiny_hub, tiny_qwen
from tests.support import tiny_hub_templates as templates
from tests.support.examples import at_most

FOLDERS: dict[str, Callable[[str], Path]] = {
    **dict.fromkeys(tiny_hub.FAMILIES, tiny_hub.folder),
    **{f"offline {family}": tiny_qwen.folder for family in tiny_qwen.FAMILIES},
    "demo": lambda _: WEIGHTS,
}
TURNS = (
    Turn("Who is there?", "A red car."),
    Turn("  1,234 of them?\n", "Yes.\n"),
    Turn("Où? 猫", "no"),
)


def prompt_of(family: str) -> tuple[Any, PromptTemplate, int, str]:
    """A tokenizer, its template, the id of the video's token, and the chat template's text."""
    folder = FOLDERS[family](family.removeprefix("offline "))
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    video = "<video>" if family in ("llava_onevision", "demo") else "<|video_pad|>"
    template = PromptTemplate.from_checkpoint(folder, tokenizer, video)
    jinja = folder / "chat_template.jinja"
    text = (
        jinja.read_text()
        if jinja.is_file()
        else str(read_json(folder / "chat_template.json")["chat_template"])
    )
    return tokenizer, template, tokenizer.convert_tokens_to_ids(video), text


def conversation(turns: tuple[Turn, ...], question: str) -> list[dict[str, Any]]:
    """The video in the first message, as the stock processors have it."""
    said = [text.strip() for turn in turns for text in (turn.question, turn.answer)]
    messages: list[dict[str, Any]] = [
        {"role": ("user", "assistant")[at % 2], "content": [{"type": "text", "text": text}]}
        for at, text in enumerate([*said, question])
    ]
    messages[0]["content"].insert(0, {"type": "video"})
    return messages


@pytest.mark.parametrize("count", [0, 1, 2, 3])
@pytest.mark.parametrize("family", FOLDERS)
def test_the_prompt_is_what_the_stock_template_makes_of_it(family: str, count: int) -> None:
    tokenizer, template, video_id, text = prompt_of(family)
    turns = TURNS[:count] if family != "demo" else (Turn("Is it day?", "yes, night"),) * count
    rendered = tokenizer.apply_chat_template(
        conversation(turns, "And now?"),
        chat_template=text,
        tokenize=False,
        add_generation_prompt=True,
    )
    expected = tokenizer(rendered, add_special_tokens=False)["input_ids"]
    assert template.prompt_ids(tokenizer, "And now?", video_id, turns) == expected


@pytest.mark.parametrize("family", FOLDERS)
def test_the_newest_turns_that_fit_are_kept(family: str) -> None:
    tokenizer, template, *_ = prompt_of(family)
    plain = len(template.question_ids(tokenizer, "And now?"))
    kept = [
        len(template.question_ids(tokenizer, "And now?", TURNS[at:])) - plain for at in range(4)
    ]
    assert sorted(kept, reverse=True) == kept
    assert template.newest_turns(tokenizer, TURNS, kept[0]) == TURNS
    assert template.newest_turns(tokenizer, TURNS, kept[0] - 1) == TURNS[1:]
    assert template.newest_turns(tokenizer, TURNS, kept[2]) == TURNS[2:]
    assert template.newest_turns(tokenizer, TURNS, 0) == ()
    assert template.newest_turns(tokenizer, (*TURNS, Turn("a" * 10**7, "")), 500) == ()


def test_turns_change_nothing_of_what_memory_keeps() -> None:
    memory = VideoMemory(tiny.model(), "hermes", budget=200)
    memory.feed(tiny.pictures(3))
    before = memory.state()
    memory.ask("Is it day?", 3, turns=(Turn("Who?", "a red circle"),))
    after = memory.state()
    assert before.header == after.header
    for name, tensor in before.tensors.items():
        assert tensor.equal(after.tensors[name]), name


def test_an_empty_question_among_the_turns_is_refused() -> None:
    tokenizer, template, *_ = prompt_of("qwen3_vl")
    with pytest.raises(InvalidInput, match="has an empty question") as caught:
        template.question_ids(tokenizer, "Who?", (Turn(" \n", "yes"),))
    assert caught.value.field == "question.turns"


ANSWERS_AS_TEXT = templates.QWEN3_VL.replace(
    "{%- for content_item in message.content %}",
    "{{ raise_exception('no lists') }}{%- for x in [] %}",
)
NO_ANSWERS = templates.QWEN3_VL.replace('message.role == "assistant"', "false")


def with_template(template: str, folder: Path) -> PromptTemplate:
    copy = shutil.copytree(tiny_hub.folder("qwen3_vl"), folder)
    for old in ("chat_template.jinja", "chat_template.json"):
        (copy / old).unlink()
    tiny_hub.write_template(copy, template)
    tokenizer = AutoTokenizer.from_pretrained(copy)
    return PromptTemplate.from_checkpoint(copy, tokenizer, "<|video_pad|>")


def test_a_template_may_want_answers_as_text(tmp_path: Path) -> None:
    own = with_template(ANSWERS_AS_TEXT, tmp_path / "copy")
    assert own == prompt_of("qwen3_vl")[1]


def test_a_template_without_earlier_turns_is_refused_where_there_are_some(tmp_path: Path) -> None:
    template = with_template(NO_ANSWERS, tmp_path / "copy")
    tokenizer = prompt_of("qwen3_vl")[0]
    assert template.question_ids(tokenizer, "Who?")
    with pytest.raises(Unsupported, match="knows no earlier turns"):
        template.question_ids(tokenizer, "Who?", TURNS)


def test_a_model_that_thinks_can_be_asked_for_its_answer_at_once(tmp_path: Path) -> None:
    """It finds an empty reasoning, as the templates write one that have a switch."""
    template = with_template(templates.QWEN3_VL_THINKING, tmp_path / "copy")
    tokenizer = prompt_of("qwen3_vl")[0]
    ids = template.question_ids(tokenizer, "Who?", reasoning=False)
    text = template.before + "Who?" + template.after + "\n</think>\n\n"
    assert ids == tokenizer(text, add_special_tokens=False)["input_ids"]


@pytest.fixture(scope="module", params=FOLDERS)
def prompt(request: pytest.FixtureRequest) -> tuple[Any, PromptTemplate, set[int]]:
    tokenizer, template, *_ = prompt_of(str(request.param))
    return tokenizer, template, set(tokenizer.get_added_vocab().values())


PIECES = st.sampled_from([*tiny_hub.SPECIAL, *tiny_hub.NOT_SPECIAL, " ", "\n", "car", "red", "猫"])
TEXTS = st.lists(PIECES, min_size=1, max_size=4).map("".join).filter(str.strip)


@settings(max_examples=at_most(25), deadline=None)
@given(question=TEXTS, turns=st.lists(st.tuples(TEXTS, TEXTS), max_size=2))
def test_what_was_said_never_becomes_a_control_token(
    prompt: tuple[Any, PromptTemplate, set[int]], question: str, turns: list[tuple[str, str]]
) -> None:
    tokenizer, template, added = prompt
    asked = tuple(Turn(*turn) for turn in turns)
    plain = tuple(Turn("car", "red") for _ in turns)
    found = template.question_ids(tokenizer, question, asked)
    expected = template.question_ids(tokenizer, "car", plain)
    assert [id for id in found if id in added] == [id for id in expected if id in added]
