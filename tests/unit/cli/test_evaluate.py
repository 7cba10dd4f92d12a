"""`hermes evaluate` as a person calls it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hermes.evaluation.results import Results
from services.cli.main import app
from tests.support import tiny
from tests.support.chat_endpoint import serving
from tests.support.evaluation import lines_of, touch, write
from tests.support.pages import blocks


def called(*words: object) -> str:
    ran = CliRunner().invoke(app, ["evaluate", *map(str, words)])
    assert ran.exit_code == 0, (ran.output, ran.exception)
    return ran.output


def test_from_a_fake_to_a_report(tmp_path: Path) -> None:
    """Run in two shards, put together; and stopped in the middle, which changes nothing."""
    data, results = tmp_path / "data", tmp_path / "results"
    called("fake", "own", "--out", data, "--videos", 2, "--seconds", 20)
    run = [
        *("own", "--questions", data / "questions.jsonl", "--video", data / "clips"),
        *("--model", tiny.folder(), "--prompt", "choices", "--policy", "hermes"),
        *("--budget", 96, "--fps", 0.5, "--compress-every", 3, "--max-tokens", 2),
    ]
    for number in (1, 2):
        path = results / f"{number}.jsonl"
        said = called(*run, "--shard", f"{number}/2", "--out", path)
        assert "| all |" in said
    first = Results.read(results / "1.jsonl")
    assert first.header["settings"]["shard"] == [1, 2]
    assert len(first.videos) == 1
    whole = (results / "1.jsonl").read_text()
    (results / "1.jsonl").write_text(whole[: len(whole) // 2])
    said = called(*run, "--shard", "1/2", "--out", results / "1.jsonl")
    again = Results.read(results / "1.jsonl")
    assert [one.text for one in again.answers] == [one.text for one in first.answers]
    said = called("report", *sorted(results.glob("*.jsonl")), "--out", tmp_path / "report")
    assert "report.html" in said
    page = (tmp_path / "report" / "report.md").read_text()
    assert "1/2, 2/2" in page
    assert "own-age.svg" in page


def test_the_page_on_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first commands, with one video; the demo's model answers as the page says."""
    monkeypatch.chdir(tmp_path)
    (found,) = [block for block in blocks() if block.name == "evaluation"]
    for words in found.commands:
        program, command, *rest = ["1" if word == "2" else word for word in words]
        assert (program, command) == ("hermes", "evaluate")
        called(*rest)
    answers = Results.read(tmp_path / "results" / "fake.jsonl").answers
    right = [one for one in answers if one.policy == "hermes" and one.strict]
    assert len(right) >= len(answers) / 2 - 1
    assert (tmp_path / "report" / "report.html").stat().st_size > 10_000


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    """The process itself is killed, again and again; its file is that of a run in one go."""
    data = tmp_path / "data"
    called("fake", "own", "--out", data, "--videos", 3, "--seconds", 20)
    run = [
        *("own", "--questions", data / "questions.jsonl", "--video", data / "clips"),
        *("--model", tiny.folder(), "--prompt", "choices", "--policy", "hermes"),
        *("--policy", "last-frames", "--budget", 96, "--compress-every", 3, "--max-tokens", 2),
    ]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "services.cli.main", "evaluate", *map(str, run), "--out"]
    called(*run, "--out", tmp_path / "whole.jsonl")
    whole, path = lines_of(tmp_path / "whole.jsonl"), tmp_path / "killed.jsonl"
    killed = 0
    for lines in (3, 9, 17):
        process = subprocess.Popen(
            [*command, str(path)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=one_thread,
        )
        while process.poll() is None:
            if path.exists() and path.read_bytes().count(b"\n") >= lines:
                process.kill()
                killed += 1
                break
            time.sleep(0.01)
        process.wait()
    assert killed == 3
    called(*run, "--out", path)
    assert lines_of(path) == whole


def test_missing_videos_are_said_and_counted(tmp_path: Path) -> None:
    line = {"video": "no.mp4", "question": "Who?", "answer": "dog"}
    questions = tmp_path / "q.jsonl"
    questions.write_text(json.dumps(line))
    said = called(
        *("own", "--questions", questions, "--video", tmp_path, "--model", tiny.folder()),
        *("--policy", "hermes", "--budget", 96, "--compress-every", 3),
        *("--out", tmp_path / "r.jsonl"),
    )
    assert "no.mp4: the video is missing" in said
    assert "hermes: 1 not answered" in said
    (made,) = tmp_path.glob("own_*.json")
    assert json.loads(made.read_text())[0]["said"] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--shard", "3"], "--shard: must be i/n"),
        (["--context", "some"], "--context: must be seconds or all"),
        (["--prompt", "mine"], "--prompt: must be official or choices"),
        (["--policy", "best"], "policy: best is unknown"),
        (["--shard", "9/8"], "shard: must be i/n"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_a_model_is_loaded(
    tmp_path: Path, words: list[str], said: str
) -> None:
    write(tmp_path / "ovo_bench_new.json", [])
    touch(tmp_path, ["x"])
    command = ["evaluate", "ovobench", "--data", str(tmp_path), "--model", "no/model", *words]
    ran = CliRunner().invoke(app, command)
    assert ran.exit_code == 1
    assert said in ran.output + str(ran.exception)


def test_a_judge_needs_something_to_judge(tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["evaluate", "fake", "best", "--out", str(tmp_path)])
    assert "best is unknown; known: streamingbench, ovobench, rvs" in ran.output
    missing = ["evaluate", "judge", str(tmp_path / "r"), "--judge", "http://x", "--judge-model", ""]
    assert "belong together" in CliRunner().invoke(app, missing).output


def test_answers_are_judged_and_judged_again_without_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two judges, of which each leaves its verdicts beside the results; the report has both."""
    monkeypatch.setenv("HERMES_JUDGE_API_KEY", "secret")
    data, path = tmp_path / "data", tmp_path / "rvs.jsonl"
    called("fake", "rvs", "--out", data, "--videos", 1, "--seconds", 20)
    answers = 5
    with serving() as server:
        server.replies += ["{'pred': 'yes', 'score': 4}"] * answers + ["no idea"] * answers
        judge = ["--judge", server.url, "--judge-model"]
        called(
            *("rvs", "--data", data, "--task", "ego", "--model", tiny.folder(), "--fps", 0.2),
            *("--policy", "uniform", "--budget", 96, "--compress-every", 3, "--max-tokens", 2),
            *("--out", path, *judge, "one"),
        )
        found = Results.read(path)
        assert len(found.answers) == answers
        said = called("judge", path, *judge, "two")
        assert server.keys == ["Bearer secret"] * 2 * answers
    assert "verdicts of two" in said
    called("report", *tmp_path.glob("*.jsonl"), "--out", tmp_path / "report")
    words = (tmp_path / "report" / "report.md").read_text()
    assert "one, 5 verdicts; two, 5 verdicts" in words
    assert "| one | uniform | RVS-Ego: 100.00" in words
    assert "| two | uniform | RVS-Ego: - | - |" in words
