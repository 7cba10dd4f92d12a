"""Answers with a form keep it, whatever the model would rather say."""

from __future__ import annotations

import json
import re
import time
from functools import cache
from typing import Any

import jsonschema
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes.demo.checkpoint import WEIGHTS
from hermes.errors import AnswerCut, InvalidInput, Unsupported
from hermes.question import Form, JsonSchema, Regex
from hermes.sampling import GREEDY, Sampling
from hermes.vlm import VideoMemory, VideoModel, load
from hermes.vlm.forms import Forms
from hermes.vlm.grammar import GrammarState
from hermes.vlm.token_choice import TokenChoice
from tests.support import tiny, tiny_hub
from tests.support.schemas_and_patterns import PATTERNS, SCHEMAS
from tests.support.slow import slow

QUESTION = "What is happening?"
MODELS = ("demo", "random", *tiny_hub.FAMILIES)
TOKENS = 400


@cache
def model_of(name: str) -> Any:
    folders = {"demo": WEIGHTS, "random": tiny.folder()}
    return load(folders.get(name) or tiny_hub.folder(name))


@cache
def memory_of(name: str) -> VideoMemory:
    budget = 192 if name == "demo" else 1000
    memory = VideoMemory(model_of(name), "sliding-window", budget=budget, compress_every_frames=4)
    memory.feed(tiny.pictures(2, side=64))
    return memory


def check(form: Form, text: str) -> None:
    if isinstance(form, JsonSchema):
        jsonschema.validate(json.loads(text), json.loads(form.schema))
    else:
        assert isinstance(form, Regex)
        assert re.fullmatch(form.pattern, text), text


def written(model: VideoModel, form: JsonSchema | Regex, seed: int) -> str:
    """What comes of random logits: the end of the answer is as probable as any other token."""
    generator = torch.Generator().manual_seed(seed)
    choice, state = TokenChoice(model), model.forms.grammar(form).begin()
    row = choice.begin(QUESTION, GREEDY, (), state)
    text = ""
    for _ in range(TOKENS):
        logits = torch.randn((1, model.decoding.vocabulary), generator=generator)
        (token,) = choice.read(choice.choose(logits, [row]), None, [row])
        assert state.failure is None
        if token.id in model.decoding.end_ids:
            break
        assert token.text is not None
        text += token.text
        if state.over:
            break
    assert state.complete
    return text


FORMS: list[JsonSchema | Regex] = [
    *(JsonSchema(json.dumps(schema)) for schema in SCHEMAS.values()),
    *(Regex(pattern) for pattern in PATTERNS),
]
NAMES = [*SCHEMAS, *PATTERNS]


@pytest.mark.parametrize("form", FORMS, ids=NAMES)
@pytest.mark.parametrize("name", ["demo", "qwen3_vl"])
def test_what_is_written_keeps_the_form(name: str, form: JsonSchema | Regex) -> None:
    for seed in range(5):
        check(form, written(model_of(name), form, seed))


@pytest.mark.parametrize("name", slow(MODELS, "qwen3_vl_moe"))
def test_an_answer_keeps_its_form(name: str) -> None:
    for number, form in enumerate(FORMS[:10:3]):
        for sampling in (GREEDY, Sampling(temperature=1.0, top_p=0.9, seed=number)):
            try:
                text = memory_of(name).ask(QUESTION, 60, sampling, form=form)
            except AnswerCut:
                continue
            check(form, text)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_a_thousand_answers_keep_their_forms(name: str) -> None:
    """Ten schemas, 17 answers of each of the six models: 1,020."""
    cut = 0
    for form in FORMS[:10]:
        for seed in range(17):
            sampling = Sampling(temperature=1.5, seed=seed) if seed else GREEDY
            try:
                text = memory_of(name).ask(QUESTION, TOKENS, sampling, form=form)
            except AnswerCut:
                cut += 1
                continue
            check(form, text)
    assert cut <= 17


@pytest.mark.parametrize("name", ["demo", "random"])
def test_an_answer_among_words_that_the_model_knows_is_the_one_it_would_give(name: str) -> None:
    """A form that does not exclude the free answer changes nothing."""
    memory = memory_of(name)
    free = memory.ask("What colour is it?", 3)
    words = re.escape(free)
    assert memory.ask("What colour is it?", 3, form=Regex(f"({words}.*)")) == free


def test_settings_of_decoding_apply_to_what_the_form_allows() -> None:
    memory, form = memory_of("random"), Regex("[a-z ]{30}")
    said = {
        memory.ask(QUESTION, 40, Sampling(temperature=2.0, seed=seed), form=form)
        for seed in (1, 1, 2)
    }
    assert len(said) == 2
    plain = memory.ask(QUESTION, 40, form=form)
    assert memory.ask(QUESTION, 40, Sampling(repetition_penalty=5.0), form=form) != plain


def test_an_answer_that_is_cut_is_an_error_after_its_text() -> None:
    pieces = memory_of("demo").answer(QUESTION, 3, form=FORMS[6])
    assert next(pieces) == "{"
    with pytest.raises(AnswerCut, match="not complete after 3 tokens"):
        list(pieces)


def test_an_answer_that_could_go_on_is_complete_at_its_limit() -> None:
    assert re.fullmatch("[0-9]+", memory_of("demo").ask(QUESTION, 5, form=Regex("[0-9]+")))


def test_stop_texts_are_refused_with_a_form() -> None:
    with pytest.raises(InvalidInput, match="cannot be used with a schema") as caught:
        memory_of("demo").ask(QUESTION, 5, Sampling(stop=("a",)), form=Regex("[0-9]+"))
    assert caught.value.field == "stop"


NESTED = '{"type":"object","properties":{"a":'
BOMBS: dict[str, tuple[JsonSchema | Regex, str]] = {
    "no json": (JsonSchema("{"), "cannot be read as JSON"),
    "no schema": (JsonSchema("[1]"), "must be a JSON object"),
    "unknown type": (JsonSchema('{"type":"colour"}'), "colour"),
    "unknown keyword": (JsonSchema('{"type":"array","uniqueItems":true}'), "uniqueItems"),
    "nothing": (JsonSchema("false"), "is false"),
    "a circle of references": (JsonSchema('{"$ref":"#"}'), "nothing can match"),
    "far away": (JsonSchema('{"$ref":"https://example.com/a.json"}'), "example.com"),
    "deep": (JsonSchema(NESTED * 900 + "true" + "}}" * 900), "recursion limit|cannot be read"),
    "many cases": (
        JsonSchema(
            json.dumps(
                {
                    "allOf": [
                        {"anyOf": [{"properties": {f"k{i}{j}": {"const": 1}}} for j in range(4)]}
                        for i in range(12)
                    ]
                }
            )
        ),
        "too large",
    ),
    "no expression": (Regex("("), "unclosed group"),
    "back reference": (Regex(r"(a)\1"), "backreferences"),
    "look behind": (Regex(r"(?<=a)b"), "look-around"),
    "no text": (Regex(r"[^\s\S]"), "nothing can match"),
    "deep groups": (Regex("(" * 20_000 + "a" + ")" * 20_000), "nested parentheses"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_form_that_nothing_can_keep_is_refused_by_name(bomb: str) -> None:
    form, message = BOMBS[bomb]
    began = time.monotonic()
    with pytest.raises(InvalidInput, match=message) as caught:
        model_of("demo").forms.grammar(form)
    assert time.monotonic() - began < 10
    assert caught.value.field == f"question.{'regex' if isinstance(form, Regex) else 'json_schema'}"
    assert len(str(caught.value)) < 400


LARGE: dict[str, JsonSchema | Regex] = {
    "a long enumeration": JsonSchema(json.dumps({"enum": [f"v{n:06}" for n in range(4500)]})),
    "many items": JsonSchema('{"type":"array","minItems":1000000,"maxItems":1000000000}'),
    "a long text": JsonSchema('{"type":"string","minLength":1000000,"maxLength":1000000000}'),
    "a long constant": JsonSchema(json.dumps({"const": "a" * 60_000})),
    "doubling references": JsonSchema(
        json.dumps(
            {
                "$defs": {
                    "d40": {"type": "null"},
                    **{
                        f"d{n}": {"properties": {k: {"$ref": f"#/$defs/d{n + 1}"} for k in "ab"}}
                        for n in range(40)
                    },
                },
                "$ref": "#/$defs/d0",
            }
        )
    ),
    "backtracking": Regex("(a+)+b"),
    "repetition": Regex("((a{1,100}){1,100}){1,100}"),
    "any repetition": Regex("(.{0,1000}){0,1000}"),
}


@pytest.mark.parametrize("large", LARGE)
def test_a_large_form_is_followed_or_given_up_with_its_name(large: str) -> None:
    """In bounded time either way."""
    began = time.monotonic()
    try:
        state = model_of("demo").forms.grammar(LARGE[large]).begin()
    except InvalidInput as error:
        assert error.field.startswith("question.")  # noqa: PT017
        return
    for _ in range(100):
        mask = state.mask()
        pieces = [n for n in range(len(state.spelling.pieces)) if mask[n // 8] >> n % 8 & 1]
        if state.over or state.failure is not None:
            break
        state.take(pieces[len(pieces) // 2])
    if state.failure is not None:
        assert isinstance(state.failure, InvalidInput)
        assert "too complex" in str(state.failure)
    assert time.monotonic() - began < 20


def test_a_grammar_is_compiled_once() -> None:
    forms: Forms = model_of("demo").forms
    assert forms.grammar(FORMS[0]) is forms.grammar(JsonSchema(json.dumps(SCHEMAS["a number"])))
    first = forms.grammar(FORMS[0])
    for number in range(40):
        forms.grammar(Regex(f"a{number}"))
    assert forms.grammar(FORMS[0]) is not first


def test_a_tokenizer_of_another_kind_is_refused() -> None:
    class Other:
        class backend_tokenizer:  # noqa: N801
            decoder = None

    from hermes.vlm.spelling import Spelling

    with pytest.raises(Unsupported, match="a tokenizer of bytes or words"):
        Spelling.of(Other, model_of("demo").decoding)


def test_a_form_may_end_where_a_model_has_no_end() -> None:
    model = model_of("demo")
    decoding = type(model.decoding)(model.decoding.vocabulary)
    state: GrammarState = Forms(model.tokenizer, decoding).grammar(Regex("red")).begin()
    assert "".join(state.take(piece) for piece in state.spelling.pieces_of("red")) == "red"
    assert state.over


PIECES = st.sampled_from([*tiny_hub.SPECIAL, *tiny_hub.NOT_SPECIAL, "red", " ", "猫"])


@settings(max_examples=15, deadline=None)
@given(
    name=st.sampled_from(MODELS),
    constant=st.lists(PIECES, min_size=1, max_size=3).map("".join),
    seed=st.integers(0, 9),
)
def test_a_form_never_makes_a_control_token(name: str, constant: str, seed: int) -> None:
    """A text that spells one is written in plain tokens."""
    model = model_of(name)
    added = set(model.tokenizer.get_added_vocab().values())
    generator = torch.Generator().manual_seed(seed)
    choice = TokenChoice(model)
    state = model.forms.grammar(JsonSchema(json.dumps({"const": constant}))).begin()
    row, text = choice.begin(QUESTION, GREEDY, (), state), ""
    while not state.over:
        logits = torch.randn((1, model.decoding.vocabulary), generator=generator)
        (token,) = choice.read(choice.choose(logits, [row]), None, [row])
        unknown = name in ("demo", "random") and token.id == model.tokenizer.unk_token_id
        assert unknown or token.id not in added
        text += token.text or ""
    assert json.loads(text) == constant
