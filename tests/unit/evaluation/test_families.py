"""Every family of models through every benchmark, on fakes of one short video."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest

from hermes.evaluation.benchmarks import BENCHMARKS
from hermes.evaluation.fakes.formats import make_fake
from hermes.evaluation.item import Benchmark, Item, Video
from hermes.evaluation.own import Own
from hermes.evaluation.results import Results, ResultsFile
from hermes.evaluation.run import Runner
from hermes.evaluation.settings import RunSettings, header_of
from hermes.evaluation.submission import write_submissions
from hermes.vlm import VideoModel, load
from tests.support import tiny_hub
from tests.support.run_folder import made_once

SECONDS = 20
LETTERS = 150
NAMES = (*BENCHMARKS, "own")
SETTINGS = RunSettings(
    policies=("hermes", "last-frames"),
    budgets=(400,),
    fps=0.5,
    max_tokens=1,
    compress_every_frames=4,
    together=4,
)


@dataclass
class Few:
    """A benchmark with the first item of each kind, asked in its last words: each letter of the
    others is a token of these models.
    """

    whole: Benchmark

    def __getattr__(self, name: str) -> Any:
        return getattr(self.whole, name)

    @property
    def videos(self) -> list[Video]:
        found = []
        for video in self.whole.videos:
            kinds: dict[tuple[str, str], Item] = {}
            for item in video.items:
                watch = item.watch and replace(item.watch, until_s=item.at_s + 1)
                short = replace(item, prompt=item.prompt[-LETTERS:], watch=watch)
                kinds.setdefault((item.group, item.rule), short)
            found.append(replace(video, items=tuple(kinds.values())))
        return found


def data(name: str) -> Benchmark:
    folder = made_once(f"fake-{name}", lambda made: make_fake(name, made, 1, SECONDS, 0))
    if name == "own":
        return cast(Benchmark, Few(Own(folder / "questions.jsonl", folder / "clips")))
    return cast(Benchmark, Few(BENCHMARKS[name](folder, (), None)))


@pytest.fixture(scope="module", params=tiny_hub.FAMILIES)
def model(request: pytest.FixtureRequest) -> VideoModel:
    return load(tiny_hub.folder(request.param))


@pytest.mark.parametrize("name", NAMES)
def test_all_is_asked_and_answered(name: str, model: VideoModel, tmp_path: Path) -> None:
    benchmark, path = data(name), tmp_path / "r.jsonl"
    with ResultsFile(path, header_of(benchmark, model, SETTINGS, {})) as file:
        Runner(model, benchmark, SETTINGS, file).run()
    found = Results.read(path)
    items = sum(len(video.items) for video in benchmark.videos)
    assert items >= {"streamingbench": 3, "ovobench": 4}.get(name, 1)
    assert [answer.error for answer in found.answers] == [""] * 2 * items
    with_choices = [one for one in found.answers if one.options or one.rule == "yes-no"]
    assert all(sum(one.probabilities) == pytest.approx(1, abs=1e-4) for one in with_choices)
    assert not any(video["problem"] or video["faults"] for video in found.videos)
    assert all(one.read > 0 for one in found.answers)
    assert write_submissions(benchmark, found, tmp_path)
