"""Of an answer with a grammar, what counts is where the grammar allowed another text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hermes.demo.checkpoint import WEIGHTS
from hermes.question import JsonSchema, Regex
from hermes.vlm import load
from hermes.vlm.left_open import MOST_NAMED, OpenToken, open_token
from hermes.vlm.spelling import Spelling

RECORD = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "blue"]}},
    "required": ["colour"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def model() -> Any:
    return load(WEIGHTS)


def opened(
    model: Any, form: JsonSchema | Regex, texts: list[bytes]
) -> list[tuple[bytes, set[str]]]:
    """Which of these pieces of an answer were left open, and the tokens that could have come."""
    state = model.forms.grammar(form).begin()
    pieces = list(state.spelling.pieces)
    for text in texts:
        state.mask()
        state.take(pieces.index(text))
    assert state.failure is None
    words = model.tokenizer.convert_ids_to_tokens
    return [(texts[token.place], set(words(list(token.among)))) for token in state.left_open]


def test_what_json_must_look_like_is_not_left_open(model: Any) -> None:
    """Nor are blanks between its parts: they say nothing about what was seen."""
    written = [b"{", b'"', b"colour", b'"', b"\n", b" ", b":", b'"', b"red", b'"', b"}"]
    found = opened(model, JsonSchema(json.dumps(RECORD)), written)
    assert [text for text, _ in found] == [b"red"]
    assert {"red", "blue"} <= found[0][1]
    assert "green" not in found[0][1]


def test_each_alternative_of_a_pattern_is_left_open_and_nothing_else(model: Any) -> None:
    form = Regex("a (red|blue) star")
    found = opened(model, form, [b"a", b" blue", b" star"])
    assert [text for text, _ in found] == [b" blue"]
    assert opened(model, Regex("a red star"), [b"a", b" red", b" star"]) == []


def test_that_an_answer_may_end_or_go_on_is_left_open(model: Any) -> None:
    state = model.forms.grammar(Regex("a( red)?")).begin()
    pieces = list(state.spelling.pieces)
    for piece in (pieces.index(b"a"), state.spelling.ends[0]):
        state.mask()
        state.take(piece)
    (token,) = state.left_open
    assert (token.place, token.scored_by) == (1, next(iter(model.decoding.end_ids)))
    assert len(token.among) > 1


def spelling(*pieces: bytes) -> Spelling:
    return Spelling(pieces, never=(), ends=(0,), pieces_of=lambda text: [])


def mask(*allowed: int) -> bytes:
    return sum(1 << number for number in allowed).to_bytes(16, "little")


def test_blanks_and_the_beginnings_of_one_text_are_no_choice() -> None:
    some = spelling(b"", b'"', b'"co', b" ", b"\n", b'"na', b"car", b"cart")
    assert open_token(3, 1, mask(1, 2, 3, 4), some) is None
    assert open_token(3, 4, mask(1, 3, 4), some) is None
    assert open_token(3, 2, mask(1, 2, 3, 5), some) == OpenToken(3, 2, (1, 2, 3, 5))
    assert open_token(0, 6, mask(6, 7), some) == OpenToken(0, 6, (6, 7)), "a car or a cart"
    assert open_token(0, 1, mask(0, 1, 3), some) == OpenToken(0, 1, (0, 1, 3)), "the end or more"
    assert open_token(0, 0, mask(0, 3), some) is None


def test_where_nearly_anything_may_come_nothing_is_named() -> None:
    many = spelling(b"", *(bytes([65 + n]) for n in range(MOST_NAMED + 1)))
    numbers = range(1, MOST_NAMED + 2)
    assert open_token(2, 5, mask(*numbers), many) == OpenToken(2, 5)
    assert open_token(2, 5, mask(*numbers[1:]), many) == OpenToken(2, 5, tuple(numbers[1:]))


def test_pieces_that_do_not_exist_are_left_out() -> None:
    """The end, for a model that has none."""
    some = Spelling((b"a", b"b"), never=(), ends=(), pieces_of=lambda text: [])
    assert open_token(0, 0, mask(0, 2), some) is None
    assert open_token(0, 0, mask(0, 1, 2), some) == OpenToken(0, 0, (0, 1))
