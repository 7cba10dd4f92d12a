"""Benchmarks that tests make up: items, footage without files, and runs with a tiny model."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hermes.evaluation.footage import BrokenVideo
from hermes.evaluation.item import Item, Reply, Video
from hermes.evaluation.results import Results, ResultsFile
from hermes.evaluation.run import Progress, Runner
from hermes.evaluation.settings import RunSettings, header_of
from hermes.vlm import VideoModel

SIDE = 64


def item(key: str, at_s: float, **given: Any) -> Item:
    """An item with the tiny model's few words."""
    values: dict[str, Any] = {
        "task": "task",
        "question": "What is happening now?",
        "prompt": "What is happening now?",
        "gold": "A",
        "rule": "first-character",
        "group": "real",
        **given,
    }
    return Item(key=key, at_s=at_s, **values)


@dataclass
class MadeUp:
    """A benchmark in memory."""

    videos: Sequence[Video]
    name: str = "streamingbench"
    digest: str = "0"
    notes: Sequence[str] = ()
    max_tokens: int = 4

    def submission(self, model: str, replies: Mapping[str, Reply]) -> dict[str, Any]:
        return {f"{model}.json": {key: reply.text for key, reply in replies.items()}}


@dataclass
class Painted:
    """Footage of random pictures. `breaks_s`: where it cannot be read further."""

    fps: float
    seconds: float | None
    seed: int = 0
    breaks_s: float | None = None
    shown: list[float] = field(default_factory=list)

    def play(self) -> Generator[tuple[float, Tensor], None, None]:
        generator = torch.Generator().manual_seed(self.seed)
        number = 0
        while (at := number / self.fps) < (self.seconds or 0):
            if self.breaks_s is not None and at >= self.breaks_s:
                raise BrokenVideo("it ends in the middle")
            self.shown.append(at)
            yield at, torch.randint(0, 256, (3, SIDE, SIDE), dtype=torch.uint8, generator=generator)
            number += 1


class Reel:
    """Opens footage by the name of its path, which no file has."""

    def __init__(self, **footage: dict[str, Any]) -> None:
        self._footage = footage
        self.opened: list[Painted] = []

    def __call__(self, path: Path, fps: float) -> Painted:
        made = Painted(fps, **self._footage[path.stem])
        self.opened.append(made)
        return made


def run(
    model: VideoModel,
    benchmark: MadeUp,
    settings: RunSettings,
    path: Path,
    reel: Reel,
    on_progress: Progress = lambda video, done, whole: None,
    results: type[ResultsFile] = ResultsFile,
) -> Results:
    """Run it, and read what it wrote."""
    header = header_of(benchmark, model, settings, {})
    with results(path, header) as file:
        Runner(model, benchmark, settings, file, opener=reel, on_progress=on_progress).run()
    return Results.read(path)


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The lines of a results file without what differs between two runs."""
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return [{name: one for name, one in line.items() if name != "times"} for line in found]


def write(path: Path, value: object) -> Path:
    """A JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def touch(folder: Path, names: Iterable[str]) -> None:
    """Empty files."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
