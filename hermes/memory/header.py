"""A snapshot's header, which may come from outside: every value is checked as it is read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from hermes.errors import SnapshotCorrupt, SnapshotMismatch, SnapshotVersion

_WORD = re.compile(r"[a-z0-9_]{0,40}")
_SHOWN = 80
"""Characters of a foreign value that a message repeats."""


class Header:
    """Reads values of a header. One that is missing, or cannot be, raises `SnapshotCorrupt`."""

    def __init__(self, values: Mapping[str, Any], path: str = "") -> None:
        self._values = values
        self._path = path

    def has(self, name: str) -> bool:
        """Whether there is anything under this name: missing, null and empty are nothing."""
        return bool(self._values.get(name))

    def mapping(self, name: str) -> Mapping[str, Any]:
        """An object."""
        found = self._values.get(name)
        if not isinstance(found, dict):
            raise SnapshotCorrupt(f"{self._path}{name} is missing from the snapshot's header")
        return found

    def section(self, name: str) -> Header:
        """An object, as a header of its own."""
        return Header(self.mapping(name), f"{self._path}{name}.")

    def sections(self, name: str, most: int) -> list[Header]:
        """At most `most` objects, each as a header of its own."""
        found = self._values.get(name)
        if not isinstance(found, list) or len(found) > most:
            raise SnapshotCorrupt(
                f"{self._path}{name} in the snapshot's header needs at most {most} objects"
            )
        if not all(isinstance(value, dict) for value in found):
            raise SnapshotCorrupt(f"{self._path}{name} in the snapshot's header needs objects")
        return [Header(value, f"{self._path}{name}.{at}.") for at, value in enumerate(found)]

    def integer(self, name: str, low: int, high: int) -> int:
        """A number within [low, high]."""
        return self._checked(name, self._values.get(name), low, high)

    def integers(self, name: str, count: int, low: int, high: int) -> list[int]:
        """`count` numbers within [low, high]."""
        found = self._values.get(name)
        if not isinstance(found, list) or len(found) != count:
            raise SnapshotCorrupt(
                f"{self._path}{name} in the snapshot's header needs {count} numbers"
            )
        return [self._checked(name, value, low, high) for value in found]

    def numbers(self, name: str, most: int, low: int, high: int) -> list[int]:
        """At most `most` numbers within [low, high]."""
        found = self._values.get(name)
        if not isinstance(found, list) or len(found) > most:
            raise SnapshotCorrupt(
                f"{self._path}{name} in the snapshot's header needs at most {most} numbers"
            )
        return [self._checked(name, value, low, high) for value in found]

    def moment(self, name: str) -> int | None:
        """A time in ms, or null."""
        found = self._values.get(name)
        return None if found is None else self._checked(name, found, -(2**63), 2**63 - 1)

    def moments(self, name: str, count: int) -> list[tuple[int, int | None]]:
        """`count` pairs of times in ms; the second of a pair may be null."""
        found = self._values.get(name)
        if not isinstance(found, list) or len(found) != count:
            raise SnapshotCorrupt(
                f"{self._path}{name} in the snapshot's header needs {count} times"
            )
        pairs = []
        for pair in found:
            if not isinstance(pair, list) or len(pair) != 2:
                raise SnapshotCorrupt(f"{self._path}{name} in the snapshot's header is no pair")
            own = Header({"first": pair[0], "second": pair[1]}, f"{self._path}{name}.")
            pairs.append((own.integer("first", -(2**63), 2**63 - 1), own.moment("second")))
        return pairs

    def words(self, name: str, count: int) -> list[str]:
        """`count` words of small letters, each possibly empty."""
        found = self._values.get(name)
        if not isinstance(found, list) or len(found) != count:
            raise SnapshotCorrupt(
                f"{self._path}{name} in the snapshot's header needs {count} words"
            )
        for value in found:
            if not isinstance(value, str) or not _WORD.fullmatch(value):
                raise SnapshotCorrupt(
                    f"{self._path}{name} in the snapshot's header holds {shown(value)}, which"
                    " cannot be"
                )
        return found

    def flag(self, name: str) -> bool:
        """True or false."""
        found = self._values.get(name)
        if not isinstance(found, bool):
            raise SnapshotCorrupt(f"{self._path}{name} in the snapshot's header is no flag")
        return found

    def _checked(self, name: str, value: object, low: int, high: int) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise SnapshotCorrupt(
                f"{self._path}{name} in the snapshot's header is {shown(value)}, which cannot be"
            )
        return value


def same(what: str, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    """Raises `SnapshotMismatch` unless they are equal, naming the first difference.

    It is a `SnapshotVersion` where only one of them has the name.
    """
    for name in dict.fromkeys([*ours, *theirs]):
        if theirs.get(name) != ours.get(name):
            kind = SnapshotMismatch if name in ours and name in theirs else SnapshotVersion
            raise kind(
                f"the snapshot was taken with {what}.{name} = {shown(theirs.get(name))};"
                f" here it is {shown(ours.get(name))}"
            )


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as they come back from JSON."""
    made: dict[str, Any] = json.loads(json.dumps(values, default=str))
    return made


def shown(value: object) -> str:
    """A foreign value for a message, cut to a bounded length."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
