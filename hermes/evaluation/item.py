"""What a benchmark asks: videos, and questions with the times at which they are asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

Rule = Literal[
    "first-character",
    "letter-within",
    "first-letter",
    "joined-digits",
    "yes-no",
    "moment",
    "exact",
    "judged",
]
"""How a benchmark's own scorer judges an answer (`hermes.evaluation.rules`)."""


@dataclass(frozen=True, slots=True)
class Watch:
    """An item that is asked each second until it is answered with yes, as an assistant would speak
    up by itself.

    `right_s`: when it should be. `until_s`: when it is asked for the last time. `prompt`: what is
    asked once it was answered with yes.
    """

    right_s: float
    until_s: float
    prompt: str


@dataclass(frozen=True, slots=True)
class Item:
    """A question of a benchmark.

    `key`: its name, one of its own. `task`, `group`: as the benchmark sorts it. `question`: its
    bare words; `prompt`: all that the benchmark's own protocol asks a model. `gold`: the right
    answer, as `rule` compares it. `options`: texts without letters, if it has any.
    `at_s`: the answer may depend on all pictures before this time, and from `since_s` on; infinite
    for the end of the video.
    `evidence_s`: when the evidence was last seen, where that is known.
    `repeats`: the key of an earlier item that asks the same at the same time.
    """

    key: str
    task: str
    question: str
    prompt: str
    gold: str
    rule: Rule
    at_s: float
    options: tuple[str, ...] = ()
    group: str = ""
    since_s: float = 0.0
    evidence_s: float | None = None
    repeats: str = ""
    watch: Watch | None = None

    @property
    def letters(self) -> tuple[str, ...]:
        """A letter for each option."""
        return tuple(chr(ord("A") + number) for number in range(len(self.options)))

    @property
    def last_s(self) -> float:
        """When it is asked for the last time."""
        return self.at_s if self.watch is None else self.watch.until_s


@dataclass(frozen=True, slots=True)
class Video:
    """A video of a benchmark, and all that is asked about it. `path`: None if it is missing."""

    name: str
    path: Path | None
    items: tuple[Item, ...]

    @property
    def end_s(self) -> float:
        """Up to where it has to be seen."""
        return max(item.last_s for item in self.items)


class Benchmark(Protocol):
    """A benchmark's data as they lie in a folder."""

    @property
    def name(self) -> str:
        """What the command line calls it."""
        ...

    @property
    def videos(self) -> Sequence[Video]:
        """In the order of their first question in the files."""
        ...

    @property
    def digest(self) -> str:
        """SHA-256 of its annotation files."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What is odd about the data, and how it was read."""
        ...

    @property
    def max_tokens(self) -> int:
        """The most tokens of an answer."""
        ...

    def submission(self, model: str, replies: Mapping[str, Reply]) -> dict[str, Any]:
        """Files in the benchmark's own format, by name: JSON values.

        `replies`: by item. `model`: what the answers are filed under.
        """
        ...


@dataclass(frozen=True, slots=True)
class Poll:
    """One time that a watched item was asked: when, what it was asked, what was said."""

    at_s: float
    asked: str
    said: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model said. `text`: None if it was not asked. `polls`: of a watched item."""

    text: str | None
    polls: tuple[Poll, ...] = ()


def without_letter(option: str, number: int) -> str:
    """An option's text without the letter that stands before it."""
    letter = chr(ord("A") + number)
    for mark in (f"{letter}. ", f"{letter}.", f"({letter}) ", f"{letter}) "):
        if option.startswith(mark):
            return option.removeprefix(mark)
    return option
