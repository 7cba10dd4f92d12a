"""Fakes of the benchmarks, and what the demo's model says about them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from hermes.demo.questions import Moment, every
from hermes.evaluation.fakes.formats import make_fake
from hermes.evaluation.fakes.world import ANSWERS, PAST, FakeWorld
from hermes.evaluation.footage import open_footage
from hermes.evaluation.results import Results, ResultsFile
from hermes.evaluation.run import Runner
from hermes.evaluation.scores import scores_of
from hermes.evaluation.settings import RunSettings, header_of
from hermes.evaluation.streamingbench import StreamingBench
from hermes.vlm import load

torch.set_num_threads(1)  # a second thread beside another process is slower than none


def test_questions_have_the_answers_of_the_record() -> None:
    world = FakeWorld.make("w", 3, 40)
    asked = world.questions(8)
    assert len({one.text for one in asked}) > 3
    for one in asked:
        known = {found.text: found for found in every(Moment(world.scene, one.at_s - 1))}
        assert known[one.text].answer == one.answer
        assert len({*one.options}) == 4
        assert one.kind in ANSWERS
        assert one.evidence_s <= one.at_s
    assert sum(one.kind in PAST for one in asked) >= len(asked) / 2


def test_the_same_seed_makes_the_same_data(tmp_path: Path) -> None:
    """And data that the reader takes, with a film that can be played."""
    texts = []
    for number in range(2):
        folder = make_fake("streamingbench", tmp_path / str(number), 2, 20, 7)
        texts.append((folder / "questions_real.json").read_text())
    assert texts[0] == texts[1]
    assert len(json.loads(texts[0])) == 10
    found = StreamingBench(tmp_path / "0")
    assert found.notes == []
    assert {item.group for video in found.videos for item in video.items} == {
        "real",
        "sqa",
        "proactive",
    }
    (first, _) = found.videos
    assert first.path is not None
    assert [at for at, _ in open_footage(first.path, 1).play()] == list(range(20))


def ranked(folder: Path, videos: int, seconds: int, policies: tuple[str, ...]) -> dict[str, float]:
    """Right answers of each policy, at a budget of 12 frames."""
    make_fake("streamingbench", folder, videos, seconds, 0)
    benchmark, model = StreamingBench(folder, ["real"]), load("demo")
    settings = RunSettings(
        policies=policies,
        budgets=(192,),
        prompt="choices",
        compress_every_frames=4,
    )
    path = folder / "r.jsonl"
    with ResultsFile(path, header_of(benchmark, model, settings, {})) as file:
        Runner(model, benchmark, settings, file).run()
    answers = Results.read(path).answers
    found = {}
    for policy in policies:
        own = [one for one in answers if one.policy == policy]
        found[policy] = scores_of("streamingbench", own)[-1].official.value
    return found


def test_a_memory_beats_a_window_on_a_fake_streamingbench(tmp_path: Path) -> None:
    found = ranked(tmp_path, 1, 40, ("hermes", "last-frames"))
    assert found["hermes"] == 1
    assert found["hermes"] > found["last-frames"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_ranking_is_that_of_the_benchmark_of_memories(tmp_path: Path) -> None:
    """As in docs/memory-quality.md: the default, spread frames, the published method, a window."""
    policies = ("hermes", "uniform", "hermes-paper", "last-frames")
    found = ranked(tmp_path, 12, 120, policies)
    assert sorted(policies, key=lambda name: -found[name]) == list(policies)
    assert found["hermes"] - found["hermes-paper"] > 0.1
    assert found["hermes-paper"] - found["last-frames"] > 0.05
