"""Enough of PromQL to say which series and which labels an expression asks for.

Not a parser of the language: Prometheus itself is asked whether an expression is
valid. What is not understood here raises ValueError rather than being passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)
    |(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<range>\[[^\]]*\])
    |(?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?(?:ms|[smhdwy])?)
    |(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
    |(?P<operator>=~|!~|==|!=|<=|>=|[-+*/%^<>=(){},])""",
    re.VERBOSE,
)
GROUPING = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
KEYWORDS = frozenset({"and", "or", "unless", "bool", "offset", "inf", "nan"})


@dataclass(frozen=True, slots=True)
class Selector:
    """A metric with its label matchers; `range` is the text in brackets after it."""

    name: str
    matchers: tuple[tuple[str, str, str], ...] = ()
    range: str = ""

    def instant(self) -> str:
        """The same series, without the range."""
        inside = ",".join(f'{label}{how}"{value}"' for label, how, value in self.matchers)
        return f"{self.name}{{{inside}}}" if inside else self.name


@dataclass(slots=True)
class Expression:
    """What an expression asks for."""

    selectors: list[Selector] = field(default_factory=list)
    grouping: list[str] = field(default_factory=list)
    """Labels named after by, on, ignoring and similar words, in order."""


def tokens(text: str) -> Iterator[tuple[str, str]]:
    """Kind and text of each token. Raises ValueError at what is none."""
    at = 0
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"not understood: {text[at : at + 20]!r} in {text!r}")
        at = match.end()
        if match.lastgroup != "space":
            yield str(match.lastgroup), match[0]


def parse(text: str) -> Expression:
    """All selectors and all grouping labels of an expression, subqueries excepted."""
    found, rest = Expression(), [*tokens(text), ("end", "")]
    at = 0
    while rest[at][0] != "end":
        (kind, word), after = rest[at], rest[at + 1][1]
        at += 1
        if kind != "name" or word in KEYWORDS:
            continue
        if word in GROUPING:
            if after == "(":
                labels, at = _labels(rest, at + 1)
                found.grouping += labels
        elif after != "(" and rest[at][1] not in GROUPING:
            selector, at = _selector(word, rest, at)
            found.selectors.append(selector)
    return found


def _labels(rest: list[tuple[str, str]], at: int) -> tuple[list[str], int]:
    labels = []
    while rest[at][1] != ")":
        kind, word = rest[at]
        if kind == "name":
            labels.append(word)
        elif word != ",":
            raise ValueError(f"{word!r} in a list of labels")
        at += 1
    return labels, at + 1


def _selector(name: str, rest: list[tuple[str, str]], at: int) -> tuple[Selector, int]:
    matchers = []
    if rest[at][1] == "{":
        at += 1
        while rest[at][1] != "}":
            (kind, label), (_, how), (value_kind, value) = rest[at : at + 3]
            if (kind, value_kind) != ("name", "string") or how not in ("=", "!=", "=~", "!~"):
                raise ValueError(f"not a matcher of {name}: {label} {how} {value}")
            matchers.append((label, how, value[1:-1]))
            at += 3
            if rest[at][1] == ",":
                at += 1
        at += 1
    kind, word = rest[at]
    within = word[1:-1] if kind == "range" else ""
    return Selector(name, tuple(matchers), within), at + (kind == "range")
