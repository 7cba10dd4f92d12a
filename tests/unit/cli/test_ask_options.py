"""Options of `hermes ask`, and the turns that its prompt keeps."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from hermes.client import Sampling, Turn
from hermes.errors import InvalidInput
from hermes.question import MAX_TURNS
from services.cli.ask_options import choices_of, sampling_of, schema_of
from services.cli.conversation import MOST_CHARACTERS, Conversation


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        (None, []),
        ("yes,no", ["yes", "no"]),
        ("a red one, a blue one ", ["a red one", "a blue one"]),
        ('"one, or two",more', ["one, or two", "more"]),
    ],
)
def test_choices(text: str | None, texts: list[str]) -> None:
    assert choices_of(text) == texts


@pytest.mark.parametrize("text", ["", "yes", "yes,", ",no", "a,,b"])
def test_what_are_no_choices(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"--choices: .* two texts or more"):
        choices_of(text)


def test_schemas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "schema.json"
    file.write_text('{"enum": ["ä"]}', encoding="utf-8")
    assert schema_of(None) is None
    assert schema_of(file) == '{"enum": ["ä"]}'
    monkeypatch.setattr("sys.stdin", io.StringIO("{}"))
    assert schema_of(Path("-")) == "{}"
    file.write_bytes(b"\xff\xfe")
    for path, told in ((file, "no UTF-8"), (tmp_path / "none", "cannot be read: No such file")):
        with pytest.raises(InvalidInput, match=f"--schema: .*{told}"):
            schema_of(path)


def test_sampling() -> None:
    assert sampling_of(0.0, 1.0, 0, None, None, None, False) is None
    made = sampling_of(0.5, 0.9, 4, 0, 1.1, ["\n"], True)
    assert made == Sampling(0.5, 4, 0.9, 0, 1.1, ("\n",), True)
    with pytest.raises(InvalidInput, match=r"^--top-p: must be more than 0"):
        sampling_of(0.5, 0.0, 0, None, None, None, False)
    with pytest.raises(InvalidInput, match=r"^--repetition-penalty: "):
        sampling_of(0.5, 1.0, 0, None, -1.0, None, False)


def test_turns_are_kept_and_cleared() -> None:
    conversation = Conversation()
    conversation.add("who?", "a star")
    conversation.add("where?", "left")
    assert conversation.turns == (Turn("who?", "a star"), Turn("where?", "left"))
    assert conversation.clear() == 2
    assert not conversation.turns


def test_the_oldest_turns_give_way() -> None:
    conversation = Conversation()
    for number in range(MAX_TURNS + 5):
        conversation.add(f"{number}?", "yes")
    assert len(conversation.turns) == MAX_TURNS
    assert conversation.turns[0].question == "5?"
    conversation.add("long?", "x" * (MOST_CHARACTERS - 20))
    assert conversation.turns[-1].question == "long?"
    assert len(conversation.turns) < 6
