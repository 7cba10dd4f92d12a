"""Selectors: which cameras, by their labels, as Kubernetes selects objects.

    site=dock          (or ==) the label has this value
    site!=dock         it has another value, or is not there
    site in (a, b)     it has one of these values
    site notin (a, b)  it has none of these values, or is not there
    site               it is there
    !site              it is not there

A comma means *and*. No torch, no gRPC: the gateway, the clients and the command line
read selectors with this module.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from hermes.errors import InvalidInput
from hermes.labels import key_fault, shown, value_fault

MAX_SELECTOR_CHARS = 4096

_TOKEN = re.compile(r"[ \t\r\n]*(?P<token>==|!=|[=!(),<>]|[^ \t\r\n=!(),<>]+|\Z)")
_SIGNS = frozenset(("=", "==", "!=", "!", "(", ")", ",", "<", ">", ""))
_EQUAL = frozenset(("=", "=="))
_SETS = frozenset(("in", "notin"))
_OPERATORS = "=, ==, !=, in (...), notin (...) or a comma"


class Condition(Enum):
    """How a requirement looks at its label."""

    ONE_OF = "in"
    """It is there, and its value is one of some."""
    NONE_OF = "notin"
    """It is not there, or its value is none of some."""
    PRESENT = "exists"
    ABSENT = "!"


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a selector asks of one label."""

    key: str
    condition: Condition
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether a camera with these labels meets it."""
        value = labels.get(self.key)
        match self.condition:
            case Condition.ONE_OF:
                return value is not None and value in self.values
            case Condition.NONE_OF:
                return value is None or value not in self.values
            case Condition.PRESENT:
                return value is not None
            case Condition.ABSENT:
                return value is None

    def __str__(self) -> str:
        match self.condition:
            case Condition.PRESENT:
                return self.key
            case Condition.ABSENT:
                return f"!{self.key}"
        return f"{self.key} {self.condition.value} ({','.join(sorted(self.values))})"


@dataclass(frozen=True, slots=True)
class Selector:
    """Selects the cameras that meet every requirement: all cameras if there is none."""

    requirements: tuple[Requirement, ...] = ()

    @classmethod
    def parse(cls, text: str, field: str = "selector") -> Selector:
        """Read a selector. Raises `InvalidInput` with the place of the mistake."""
        if len(text) > MAX_SELECTOR_CHARS:
            raise InvalidInput(
                field, f"has {len(text)} characters; {MAX_SELECTOR_CHARS} are allowed"
            )
        return cls(tuple(_Parser(text, field).requirements()))

    @classmethod
    def parse_all(cls, texts: Iterable[str], field: str = "selector") -> Selector:
        """Several selectors as one: a camera is selected if each of them selects it."""
        parsed = [cls.parse(text, field) for text in texts]
        return cls(tuple(one for selector in parsed for one in selector.requirements))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether it selects a camera with these labels."""
        return all(requirement.matches(labels) for requirement in self.requirements)

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    place: int
    """Of its first character, counted from 1."""

    @property
    def is_word(self) -> bool:
        return self.text not in _SIGNS


class _Parser:
    """Reads the grammar of Kubernetes, token by token."""

    def __init__(self, text: str, field: str) -> None:
        self._field = field
        self._tokens = list(_tokens(text))
        self._at = 0

    def requirements(self) -> Iterator[Requirement]:
        if not self._next.text:
            return
        while True:
            yield self._requirement()
            end = self._take()
            if not end.text:
                return
            if end.text != ",":
                raise self._unexpected(end, "a comma or the end")

    def _requirement(self) -> Requirement:
        absent = self._next.text == "!"
        if absent:
            self._take()
        key = self._word("a key", key_fault)
        if absent:
            return Requirement(key, Condition.ABSENT)
        if self._next.text in (",", ""):
            return Requirement(key, Condition.PRESENT)
        operator = self._take()
        if operator.text in _SETS:
            return Requirement(key, Condition(operator.text), frozenset(self._values()))
        if operator.text in _EQUAL:
            return Requirement(key, Condition.ONE_OF, frozenset({self._value()}))
        if operator.text == "!=":
            return Requirement(key, Condition.NONE_OF, frozenset({self._value()}))
        raise self._unexpected(operator, _OPERATORS)

    def _value(self) -> str:
        """The value after an operator; it may be empty."""
        return "" if self._next.text in (",", "") else self._word("a value", value_fault)

    def _values(self) -> Iterator[str]:
        """The values in parentheses, between commas. Each may be empty: `()` holds one."""
        opening = self._take()
        if opening.text != "(":
            raise self._unexpected(opening, "'('")
        while True:
            yield "" if self._next.text in (",", ")") else self._word("a value", value_fault)
            end = self._take()
            if end.text == ")":
                return
            if end.text != ",":
                raise self._unexpected(end, "a comma or ')'")

    def _word(self, what: str, fault_of: Callable[[str], str | None]) -> str:
        token = self._take()
        if not token.is_word:
            raise self._unexpected(token, what)
        if (fault := fault_of(token.text)) is not None:
            where = f"{shown(token.text)} at character {token.place}"
            raise InvalidInput(self._field, f"{where}: {fault}")
        return token.text

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)  # the end can be taken again
        return token

    def _unexpected(self, token: _Token, wanted: str) -> InvalidInput:
        found = shown(token.text) if token.text else "the end"
        return InvalidInput(
            self._field, f"at character {token.place} there must be {wanted}, not {found}"
        )


def _tokens(text: str) -> Iterator[_Token]:
    """Its tokens; the last one is empty."""
    place = 0
    while True:
        found = _TOKEN.match(text, place)
        assert found is not None  # the classes of characters are each other's complement
        yield _Token(found["token"], found.start("token") + 1)
        if not found["token"]:
            return
        place = found.end()
