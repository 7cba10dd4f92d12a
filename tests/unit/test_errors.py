"""The error types and the tree that their module draws."""

from __future__ import annotations

import logging
import re

import pytest

from hermes import errors
from hermes.errors import HermesError, InvalidInput, as_hermes_error


def _all_kinds(kind: type[HermesError] = HermesError) -> list[type[HermesError]]:
    below = [other for other in kind.__subclasses__() if other.__module__ == errors.__name__]
    return [kind, *(found for other in below for found in _all_kinds(other))]


def _drawn_tree() -> list[tuple[str, int, str]]:
    """Name, depth and reason (`""` where none is drawn) of each line of the tree."""
    lines = re.findall(r"^    ([│├└─ ]*)([A-Z]\w+) +(\w+)", errors.__doc__ or "", re.MULTILINE)
    return [
        (name, len(indent) // 4, word if word.isupper() else "") for indent, name, word in lines
    ]


def test_the_drawn_tree_is_the_tree_of_the_types() -> None:
    by_name = {kind.__name__: kind for kind in _all_kinds()}
    drawn = _drawn_tree()
    parents: dict[int, str] = {}
    for name, depth, reason in drawn:
        kind = by_name[name]
        if depth:
            assert parents[depth - 1] in [base.__name__ for base in kind.__bases__]
        if reason:
            assert kind.reason == reason
        parents[depth] = name
    assert [name for name, *_ in drawn] == list(by_name)


def test_reasons_are_distinct() -> None:
    kinds = [kind for kind in _all_kinds() if "reason" in vars(kind)]
    assert len({kind.reason for kind in kinds}) == len(kinds)


def test_one_of_our_own_errors_is_shown_unchanged(caplog: pytest.LogCaptureFixture) -> None:
    ours = InvalidInput("question.text", "is empty")
    assert as_hermes_error(ours, "answering") is ours
    assert not caplog.records


def test_any_other_error_is_shown_by_its_type_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    error = OSError("/home/someone/rtsp://user:password@host")
    with caplog.at_level(logging.ERROR):
        shown = as_hermes_error(error, "copying the memory of lobby")
    assert type(shown) is HermesError
    assert str(shown) == "internal error (OSError)"
    (record,) = caplog.records
    assert record.getMessage() == "copying the memory of lobby failed"
    assert record.exc_info is not None
    assert record.exc_info[1] is error
