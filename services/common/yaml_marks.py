"""Where in a YAML file each value stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import yaml

Path = tuple[str | int, ...]

DEEPEST = 4
"""Levels that are looked at: an alias may lead back to where it stands."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Lines and columns by the path of a value, and the keys that stand twice in one mapping."""

    places: dict[Path, tuple[int, int]]
    repeated: tuple[Path, ...]

    def where(self, path: Path) -> str:
        """`line 4, column 10`: of the value, or of the nearest one around it that is there."""
        while path and path not in self.places:
            path = path[:-1]
        line, column = self.places.get(path, (1, 1))
        return f"line {line}, column {column}"


def marks_of(data: bytes) -> Marks:
    """The marks of a document that PyYAML can read."""
    node = yaml.compose(data, Loader=yaml.SafeLoader)
    places: dict[Path, tuple[int, int]] = {}
    repeated: list[Path] = []
    for path, found in _walk(node, ()) if node is not None else ():
        if path in places:
            repeated.append(path)
        places[path] = (found.start_mark.line + 1, found.start_mark.column + 1)
    return Marks(places, tuple(repeated))


def _walk(node: yaml.Node, path: Path) -> Iterator[tuple[Path, yaml.Node]]:
    yield path, node
    if len(path) >= DEEPEST:
        return
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield from _walk(value, (*path, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _walk(value, (*path, index))
