"""A results file: a header, then a line for each answer and each video, as they come.

A run that was killed goes on where it stopped: what is there is read, half a last line is dropped,
and the rest is appended. Lines come in one order, whenever a run was interrupted.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from hermes.errors import InvalidInput
from hermes.evaluation.answer import Answer

VERSION = 1
TIMES = "times"
"""The field of each line that differs between two runs of the same."""


@dataclass(slots=True)
class Results:
    """What a file holds. `videos`: the lines of those that are done. `parts`: the files that it was
    put together from, if there were several.
    """

    path: Path
    header: dict[str, Any]
    answers: list[Answer] = field(default_factory=list)
    videos: list[dict[str, Any]] = field(default_factory=list)
    parts: list[Path] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> Results:
        """Read a file. Half a last line is passed over."""
        lines, _ = _whole_lines(path)
        if not lines or lines[0].get("kind") != "header":
            raise InvalidInput(str(path), "is no results file: it has no header")
        header = lines[0]
        if header.get("version") != VERSION:
            raise InvalidInput(
                str(path), f"has version {header.get('version')}; this reads {VERSION}"
            )
        found = cls(path, header)
        for line in lines[1:]:
            if line["kind"] == "answer":
                found.answers.append(Answer.of_line(line))
            elif line["kind"] == "video":
                found.videos.append(line)
        return found

    @property
    def contenders(self) -> list[tuple[str, int]]:
        """Who answered, in the order of the settings."""
        settings = self.header["settings"]
        return [
            (policy, budget) for budget in settings["budgets"] for policy in settings["policies"]
        ]


class ResultsFile:
    """A results file that is written to. Use it as a context manager."""

    def __init__(self, path: Path, header: Mapping[str, Any]) -> None:
        """Opens the file, or makes it. `header`: what must be the same if there is one already.

        Raises `InvalidInput` if the file is of a run with other settings.
        """
        self.path = path
        self._header = {"kind": "header", "version": VERSION, **header}
        self.found = Results(path, dict(self._header))
        if path.exists() and path.stat().st_size:
            lines, end = _whole_lines(path)
            os.truncate(path, end)
            if lines:
                self.found = Results.read(path)
                _check_same(path, self.found.header, self._header)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8")
        if not self._file.tell():
            self._write(self._header)
        self._done = {line["video"] for line in self.found.videos}
        self._answered = {(*answer.contender, answer.key) for answer in self.found.answers}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def is_done(self, video: str) -> bool:
        """Whether all that is asked about a video has an answer."""
        return video in self._done

    def has(self, policy: str, budget: int, key: str) -> bool:
        """Whether a contender's answer to an item is there."""
        return (policy, budget, key) in self._answered

    def add(self, answer: Answer) -> None:
        """Append an answer, unless it is there."""
        if self.has(*answer.contender, answer.key):
            return
        self._write(answer.line())
        self._answered.add((*answer.contender, answer.key))
        self.found.answers.append(answer)

    def finish(self, video: Mapping[str, Any]) -> None:
        """Append a video's line: it is done."""
        line = {"kind": "video", **video}
        self._write(line)
        os.fsync(self._file.fileno())
        self._done.add(line["video"])
        self.found.videos.append(line)

    def _write(self, line: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")
        self._file.flush()  # a process that is killed then loses nothing


def merged(files: Iterable[Results]) -> Results:
    """The shards of one run as one. Raises `InvalidInput` if they are not of one run."""
    parts = list(files)
    first = parts[0]
    together = Results(first.path, {**first.header, "settings": {**first.header["settings"]}})
    shards: list[list[int]] = []
    for part in parts:
        _check_same(part.path, _without_shard(part.header), _without_shard(first.header))
        shard = list(part.header["settings"].get("shard") or [1, 1])
        if shard in shards:
            raise InvalidInput(str(part.path), f"shard {shard[0]} of {shard[1]} is given twice")
        shards.append(shard)
        together.parts.append(part.path)
        together.answers += part.answers
        together.videos += part.videos
    together.header["settings"]["shard"] = None
    together.header["shards"] = [f"{shard[0]}/{shard[1]}" for shard in sorted(shards)]
    return together


def _whole_lines(path: Path) -> tuple[list[dict[str, Any]], int]:
    """The lines of a file that end, and where the last of them does."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidInput(str(path), f"cannot be read: {error.strerror}") from None
    end = data.rfind(b"\n") + 1
    lines = []
    for number, line in enumerate(data[:end].splitlines(), 1):
        try:
            lines.append(json.loads(line))
        except ValueError:
            raise InvalidInput(f"{path}, line {number}", "is not JSON: damaged") from None
    return lines, end


def _check_same(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raises `InvalidInput` with the names of the settings that differ."""
    one, other = _flat(found), _flat(wanted)
    differ = sorted(name for name in {*one, *other} if one.get(name) != other.get(name))
    if differ:
        said = "; ".join(f"{name} {one.get(name)!r}, not {other.get(name)!r}" for name in differ)
        raise InvalidInput(
            str(path), f"is of another run: {said}. Choose another --out, or the same settings"
        )


def _flat(value: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, one in json.loads(json.dumps(value)).items():
        if name == TIMES:
            continue
        if isinstance(one, dict):
            found |= _flat(one, f"{before}{name}.")
        else:
            found[f"{before}{name}"] = one
    return found


def _without_shard(header: Mapping[str, Any]) -> dict[str, Any]:
    settings = {name: one for name, one in header["settings"].items() if name != "shard"}
    return {**header, "settings": settings}
