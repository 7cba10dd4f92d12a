"""Tests reach into private attributes less and less. In the product ruff refuses it (SLF001).

A reach is `x._name` where x is not `self`, `cls` or `super()`, a private name that is imported,
or one that is given as a string to `getattr`, `setattr` or `delattr` (`monkeypatch.setattr`, too).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PRODUCT = [TESTS.parent / name for name in ("hermes", "services")]

MOST = 27
"""May only fall: lower it when you remove a reach."""

OWNERS = {"self", "cls"}
BY_NAME = {"getattr", "setattr", "delattr"}
NAMEDTUPLE = {"_replace", "_asdict", "_fields", "_make"}
"""Public, whatever they look like."""


PRIVATE = re.compile(r"(?<!\w)(?<!(?<![\w.])self\.)(?<!(?<![\w.])cls\.)_[^\W_]")
"""A private name that is not one's own: a text without any has no reach, and is not parsed."""


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in NAMEDTUPLE


def is_own(value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        return isinstance(value.func, ast.Name) and value.func.id == "super"
    return isinstance(value, ast.Name) and value.id in OWNERS


def private_imports(node: ast.ImportFrom) -> Iterator[int]:
    yield from (node.lineno for alias in node.names if is_private(alias.name))


def reaches(source: str) -> Iterator[int]:
    """The line of each reach."""
    if not PRIVATE.search(source):
        return
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(value=value, attr=name) if is_private(name) and not is_own(value):
                yield node.lineno
            case ast.ImportFrom():
                yield from private_imports(node)
            case ast.Call(
                func=ast.Name(id=called) | ast.Attribute(attr=called), args=[_, name, *_]
            ):
                named = name.value if isinstance(name, ast.Constant) else None
                if called in BY_NAME and isinstance(named, str) and is_private(named):
                    yield node.lineno


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("gateway._server", 1),
        ("gateway._server._port", 2),
        ("rig.worker._store = None", 1),
        ("from services.cli.worlds import _scene", 1),
        ("monkeypatch.setattr(Memory, '_reindex', counted)", 1),
        ("getattr(memory, '_slab')", 1),
        ("rig.self._store = None", 1),
        ("self._port = cls._next = super()._port", 0),
        ("parts._replace(port=1), memory.__dict__, _mine", 0),
        ("monkeypatch.setattr(memory, 'public', 1)", 0),
    ],
)
def test_what_is_a_reach(source: str, count: int) -> None:
    assert len(list(reaches(source))) == count


def test_tests_reach_into_less_and_less() -> None:
    found = [
        f"{path.relative_to(TESTS.parent)}:{line}"
        for path in sorted(TESTS.rglob("*.py"))
        for line in reaches(path.read_text())
    ]
    assert len(found) <= MOST, "\n".join(found)


def test_no_module_imports_what_is_private_to_another() -> None:
    found = [
        f"{path}:{line}"
        for folder in PRODUCT
        for path in sorted(folder.rglob("*.py"))
        if PRIVATE.search(source := path.read_text())
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom)
        for line in private_imports(node)
    ]
    assert found == []
