"""Which fields of a chat completion are supported."""

from __future__ import annotations

from typing import Any, cast

import pytest

from hermes.client import AsyncHermesClient, Sampling
from hermes.errors import InvalidInput
from services.web.openai.asking import ask
from services.web.openai.conversation import Conversation
from services.web.openai.request import ChatRequest, UnknownModel, check_supported

LOBBY = Conversation("What?", (), ("lobby",), "", None)
BOTH = Conversation("What?", (), ("lobby", "dock"), "", None)
SCHEMA = {"type": "object"}


def request(**fields: Any) -> ChatRequest:
    messages = [{"role": "user", "content": "What?"}]
    return ChatRequest.model_validate({"model": "hermes", "messages": messages, **fields})


class Noted:
    """Stands in for the client: notes what it is asked."""

    def __init__(self) -> None:
        self.given: dict[str, Any] = {}

    def ask(self, camera_id: str, text: str, **given: Any) -> None:
        self.given = {"camera_id": camera_id, "text": text, **given}

    def ask_many(self, text: str, **given: Any) -> None:
        self.given = {"text": text, **given}


def asked(about: Conversation = LOBBY, **fields: Any) -> dict[str, Any]:
    noted = Noted()
    ask(cast(AsyncHermesClient, noted), request(**fields), about, 5.0)
    return noted.given


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 1, "user": "alice", "service_tier": "auto", "logit_bias": {}, "store": False},
        {"frequency_penalty": 0, "presence_penalty": 0.0, "tools": [], "tool_choice": "none"},
        {"stream": True, "stream_options": {"include_usage": True, "include_obfuscation": False}},
        {"top_k": 5, "repetition_penalty": 1.1, "top_logprobs": 0, "modalities": ["text"]},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "a", "schema": SCHEMA},
            }
        },
    ],
)
def test_what_changes_nothing_is_accepted(fields: dict[str, Any]) -> None:
    check_supported(request(**fields))


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"n": 2}, "n"),
        ({"presence_penalty": 0.5}, "presence_penalty"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"functions": [{}]}, "functions"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"audio": {"voice": "x"}}, "audio"),
        ({"guided_json": SCHEMA}, "guided_json"),
        ({"store": True}, "store"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": {"include_obfuscation": True}},
         "stream_options.include_obfuscation"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "a"}}},
         "response_format.json_schema.schema"),
    ],
)  # fmt: skip
def test_what_is_not_supported_is_named(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_supported(request(**fields))
    assert caught.value.field == field


def test_there_is_one_model() -> None:
    with pytest.raises(UnknownModel):
        check_supported(request(model="gpt-4o"))


def test_a_plain_question_is_greedy_and_free() -> None:
    given = asked()
    assert (given["camera_id"], given["text"], given["timeout"]) == ("lobby", "What?", 5.0)
    assert given["sampling"] is None
    assert (given["max_tokens"], given["json_schema"], given["choices"]) == (0, None, ())


def test_fields_become_those_of_a_question() -> None:
    given = asked(
        temperature=0.7, top_p=0.9, top_k=-1, seed=3, stop=["a", "b"], logprobs=True, max_tokens=9,
        response_format={"type": "json_object"}, hermes={"evidence": 2, "freshness": "cached"},
    )  # fmt: skip
    assert given["sampling"] == Sampling(
        temperature=0.7, top_p=0.9, seed=3, stop=("a", "b"), logprobs=True
    )
    assert (given["max_tokens"], given["json_schema"]) == (9, {"type": "object"})
    assert (given["evidence"], given["freshness"]) == (2, "cached")


def test_several_cameras_are_merged_unless_it_is_said() -> None:
    given = asked(BOTH)
    assert (given["cameras"], given["selector"], given["merge"]) == (("lobby", "dock"), "", True)
    assert asked(BOTH, hermes={"merge": False})["merge"] is False


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"hermes": {"regex": "a+"}}, "response_format"),
        ({"logprobs": True}, "logprobs"),
    ],
)
def test_several_cameras_have_no_one_form(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        asked(BOTH, **fields)
    assert caught.value.field == field


def test_two_names_of_one_limit_agree() -> None:
    assert asked(max_tokens=5, max_completion_tokens=5)["max_tokens"] == 5
    with pytest.raises(InvalidInput, match="another name"):
        asked(max_tokens=5, max_completion_tokens=6)
