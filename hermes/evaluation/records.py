"""JSON records of annotation files. What is wrong is named: the file, the record, the field."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hermes.errors import InvalidInput


class Record:
    """A JSON object of a file."""

    def __init__(self, value: object, where: str) -> None:
        """`where`: for people, such as `questions.jsonl, line 3`."""
        self.where = where
        if not isinstance(value, dict):
            raise InvalidInput(where, f"is {_kind(value)}, not an object with fields")
        self.value: dict[str, Any] = value

    def has(self, field: str) -> bool:
        """Whether the field is there, and is not null."""
        return self.value.get(field) is not None

    def text(self, field: str, default: str | None = None) -> str:
        """A text that is not empty."""
        found = self._of(field, default)
        if not isinstance(found, str) or (default is None and not found.strip()):
            raise self.wrong(field, f"must be a text, not {_kind(found)}")
        return found

    def number(self, field: str, default: float | None = None) -> float:
        """A number from 0 on."""
        found = self._of(field, default)
        if isinstance(found, bool) or not isinstance(found, int | float) or found < 0:
            raise self.wrong(field, f"must be a number from 0 on, not {_kind(found)}")
        return float(found)

    def index(self, field: str, below: int) -> int:
        """A whole number from 0 to below a limit."""
        found = self._of(field)
        if type(found) is not int or not 0 <= found < below:
            raise self.wrong(field, f"must be a whole number from 0 to {below - 1}")
        return found

    def texts(self, field: str, least: int = 0) -> tuple[str, ...]:
        """A list of texts."""
        found = self._of(field)
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise self.wrong(field, f"must be a list of texts, not {_kind(found)}")
        if len(found) < least:
            raise self.wrong(field, f"has {len(found)} texts; at least {least} are needed")
        return tuple(found)

    def records(self, field: str) -> list[Record]:
        """A list of objects."""
        found = self._of(field)
        if not isinstance(found, list):
            raise self.wrong(field, f"must be a list, not {_kind(found)}")
        return [
            Record(one, f"{self.where}, {field} {number}") for number, one in enumerate(found, 1)
        ]

    def wrong(self, field: str, what: str) -> InvalidInput:
        """An error that names the field."""
        return InvalidInput(f"{self.where}: {field}", what)

    def _of(self, field: str, default: Any = None) -> Any:
        found = self.value.get(field, default)
        if found is None:
            raise self.wrong(field, "is missing")
        return found


def read_list(path: Path) -> list[Any]:
    """The list that a JSON file holds."""
    found = _parsed(path, path.name)
    if not isinstance(found, list):
        raise InvalidInput(path.name, f"is {_kind(found)}, not a list")
    return found


def read_lines(path: Path) -> Iterator[Record]:
    """The objects of a file with one on each line. Empty lines are passed over."""
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        where = f"{path.name}, line {number}"
        try:
            value = json.loads(line)
        except ValueError as error:
            raise InvalidInput(where, f"is not JSON: {error}") from None
        yield Record(value, where)


def records_of(path: Path) -> list[Record]:
    """The objects in the list that a JSON file holds."""
    return [
        Record(value, f"{path.name}, record {number}")
        for number, value in enumerate(read_list(path), 1)
    ]


def digest_of(paths: Iterable[Path]) -> str:
    """SHA-256 of files, in order."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def find_data(folder: Path, names: Sequence[str], what: str) -> Path:
    """The first of these files that is in the folder, or in `data` or `src/data` of it."""
    for name in names:
        for place in (folder, folder / "data", folder / "src" / "data"):
            if (place / name).is_file():
                return place / name
    raise InvalidInput("data", f"{folder} has no {what}: {' or '.join(names)} is looked for")


def find_video(name: str, folders: Sequence[Path]) -> Path | None:
    """Where a video lies: below one of the folders, with its folders or without; or None."""
    given = Path(name)
    if given.is_absolute() and given.is_file():
        return given
    parts = [part for part in given.parts if part not in (".", "..", "/")]
    for folder in folders:
        for below in (Path(*parts), Path(given.name)):
            for place in (folder, folder / "videos", folder / "src_videos"):
                if (place / below).is_file():
                    return place / below
    return None


def _parsed(path: Path, where: str) -> Any:
    try:
        return json.loads(read_text(path))
    except ValueError as error:
        raise InvalidInput(where, f"is not JSON: {error}") from None


def read_text(path: Path) -> str:
    """What a file says."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidInput(str(path), f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidInput(str(path), "is not text in UTF-8") from None


def _kind(value: object) -> str:
    if value is None:
        return "null"
    names = {bool: "true or false", int: "a number", float: "a number", str: "a text"}
    return names.get(type(value), "a list" if isinstance(value, list) else "an object")
