"""A person's own clips and questions: a file with one question on each line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hermes.errors import InvalidInput
from hermes.evaluation.item import Item, Reply, Video
from hermes.evaluation.records import Record, digest_of, find_video, read_lines
from hermes.evaluation.stamps import seconds_of

FIELDS = ("video", "question", "answer", "choices", "at", "evidence", "task", "id")
MOST_CHOICES = 26
ALTERNATIVES = "\n"
"""Between answers of which each is right."""

_CHOICE = "{}\n{}\nAnswer with the letter of the right choice alone."
_EXACT = "{}\nAnswer in as few words as possible."


class Own:
    """Questions about videos of a folder."""

    name = "own"
    max_tokens = 32

    def __init__(self, questions: Path, videos: Path) -> None:
        """`videos`: the folder, or a single video."""
        self._folder = videos if videos.is_dir() else videos.parent
        if not videos.exists():
            raise InvalidInput("video", f"{videos} is not there")
        self.notes: list[str] = []
        self._items: dict[str, list[Item]] = {}
        self._lines: dict[str, Record] = {}
        for number, record in enumerate(read_lines(questions), 1):
            item = _item(record, str(number))
            if item.key in self._lines:
                raise record.wrong("id", f"{item.key!r} occurs twice")
            self._lines[item.key] = record
            self._items.setdefault(record.text("video"), []).append(item)
        if not self._items:
            raise InvalidInput(questions.name, "has no question")
        self.digest = digest_of([questions])

    @property
    def videos(self) -> list[Video]:
        """In the order of their first question."""
        return [
            Video(name, find_video(name, [self._folder]), tuple(items))
            for name, items in self._items.items()
        ]

    def submission(self, model: str, replies: Mapping[str, Reply]) -> dict[str, Any]:
        """The questions with the answers that were given."""
        filled = []
        for key, record in self._lines.items():
            reply = replies.get(key)
            filled.append({**record.value, "said": None if reply is None else reply.text})
        return {f"own_{model}.json": filled}


def _item(record: Record, number: str) -> Item:
    for field in record.value:
        if field not in FIELDS:
            raise record.wrong(field, f"is unknown; known: {', '.join(FIELDS)}")
    record.text("video")
    question = record.text("question")
    choices = record.texts("choices", least=2) if record.has("choices") else ()
    if len(choices) > MOST_CHOICES:
        raise record.wrong("choices", f"has {len(choices)} texts; at most {MOST_CHOICES}")
    if len(set(choices)) < len(choices) or not all(text.strip() for text in choices):
        raise record.wrong("choices", "has an empty text, or the same text twice")
    at = _time(record, "at") if record.has("at") else math.inf
    evidence = _time(record, "evidence") if record.has("evidence") else None
    if evidence is not None and evidence > at:
        raise record.wrong("evidence", f"is at {evidence:g} s, after the question at {at:g} s")
    letters = [chr(ord("A") + place) for place in range(len(choices))]
    listed = "\n".join(f"{letter}. {text}" for letter, text in zip(letters, choices, strict=True))
    return Item(
        key=record.text("id", number),
        task=record.text("task", "own"),
        group="own",
        question=question,
        prompt=_CHOICE.format(question, listed) if choices else _EXACT.format(question),
        gold=_gold(record, choices),
        rule="first-letter" if choices else "exact",
        at_s=at,
        options=choices,
        evidence_s=evidence,
    )


def _gold(record: Record, choices: tuple[str, ...]) -> str:
    if not choices:
        if isinstance(record.value.get("answer"), list):
            return ALTERNATIVES.join(record.texts("answer", least=1))
        return record.text("answer")
    answer = record.text("answer")
    if answer in choices:
        return chr(ord("A") + choices.index(answer))
    if len(answer) == 1 and 0 <= ord(answer) - ord("A") < len(choices):
        return answer
    raise record.wrong("answer", f"{answer!r} is neither one of the choices nor its letter")


def _time(record: Record, field: str) -> float:
    """Seconds, or `H:MM:SS`."""
    if not isinstance(record.value[field], str):
        return record.number(field)
    seconds = seconds_of(record.text(field))
    if seconds is None:
        raise record.wrong(field, f"{record.text(field)!r} is neither seconds nor H:MM:SS")
    return float(seconds)
