"""Messages as questions."""

from __future__ import annotations

from typing import Any

import pytest

from hermes.client import Turn, last
from hermes.errors import InvalidInput
from services.web.openai.conversation import Conversation, conversation_of
from services.web.openai.request import ChatRequest


def camera(url: str = "camera://lobby") -> dict[str, Any]:
    return {"type": "video_url", "video_url": {"url": url}}


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "content": parts[0] if isinstance(parts[0], str) else list(parts)}


def assistant(said: str, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": said, **more}


def read(*messages: dict[str, Any]) -> Conversation:
    request = ChatRequest.model_validate({"model": "hermes", "messages": list(messages)})
    return conversation_of(request.messages)


def test_a_question_about_one_camera() -> None:
    asked = read(user(text("What came?"), camera("camera://lobby?last=10m")))
    assert asked == Conversation("What came?", (), ("lobby",), "", last(minutes=10))
    assert asked.one == "lobby"


def test_turns_are_pairs_and_the_camera_is_the_last_one_named() -> None:
    asked = read(
        user(camera("camera://dock"), text("A?")),
        assistant("a", refusal=None, annotations=[], hermes={"epoch": 1}),
        user(camera(), text("B?")),
        assistant("b"),
        user("C?"),
    )
    assert asked.turns == (Turn("A?", "a"), Turn("B?", "b"))
    assert (asked.text, asked.one) == ("C?", "lobby")


def test_instructions_go_before_the_question() -> None:
    asked = read(
        {"role": "system", "content": "Be brief."},
        user(camera(), text("A?")),
        assistant("a"),
        user("B?"),
        {"role": "developer", "content": "Say yes or no."},
    )
    assert asked.text == "Be brief.\n\nSay yes or no.\n\nB?"
    assert asked.turns == (Turn("A?", "a"),)


def test_messages_of_one_role_are_one() -> None:
    assert read(user(camera()), user("A?"), user("B?")).text == "A?\n\nB?"


def test_several_cameras() -> None:
    asked = read(user(text("A?"), camera(), camera("camera://dock"), camera()))
    assert (asked.camera_ids, asked.one) == (("lobby", "dock"), None)
    asked = read(user(text("A?"), camera("camera://?label=site%3Ddock")))
    assert (asked.camera_ids, asked.selector, asked.one) == ((), "site=dock", None)


@pytest.mark.parametrize(
    ("messages", "field", "said"),
    [
        ([user("A?")], "messages", "camera://lobby"),
        ([user(camera())], "messages", "no text"),
        ([user(camera(), text("A?")), assistant("a")], "messages", "must end"),
        ([assistant("a"), user(camera(), text("A?"))], "messages", "must begin"),
        ([{"role": "system", "content": "Be brief."}], "messages", "must end"),
        ([user(camera(), text("A?")), {"role": "tool", "content": ""}], "messages[1].role", "tool"),
        ([user(text("A?"), {"type": "image_url", "image_url": {"url": "x"}})],
         "messages[0].content[1].type", "pictures cannot be sent"),
        ([user(text("A?"), camera(), camera("camera://dock?last=1m"))],
         "messages[0].content[2].video_url.url", "same span"),
        ([user(text("A?"), camera(), camera("camera://?label=a"))],
         "messages[0].content[2].video_url.url", "in one part"),
        ([{"role": "system", "content": [camera()]}, user("A?")], "messages[0].content[0]", "user"),
        ([assistant("", tool_calls=[{"id": "1"}])], "messages[0].tool_calls", "not supported"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_named(
    messages: list[dict[str, Any]], field: str, said: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(*messages)
    assert caught.value.field == field
    assert said in caught.value.message
