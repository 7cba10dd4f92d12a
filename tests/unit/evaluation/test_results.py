"""Results files: half a line, other settings, shards; and a process that is killed for real."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hermes.errors import InvalidInput
from hermes.evaluation.answer import Answer
from hermes.evaluation.results import Results, ResultsFile, merged
from tests.support.evaluation import lines_of

HEADER: dict[str, Any] = {
    "benchmark": "own",
    "settings": {"policies": ["hermes"], "budgets": [10], "shard": None, "seed": 0},
}


def answer(key: str) -> Answer:
    return Answer(
        video="v",
        key=key,
        task="t",
        group="g",
        rule="exact",
        gold="x",
        policy="hermes",
        budget=10,
        text="é",
    )


def test_half_a_last_line_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "new" / "r.jsonl"
    with ResultsFile(path, HEADER) as file:
        file.add(answer("1"))
        file.add(answer("2"))
        file.finish({"video": "v"})
    whole = path.read_bytes()
    for cut in [*range(0, len(whole), 23), len(whole) - 1]:
        path.write_bytes(whole[:cut])
        with ResultsFile(path, HEADER) as file:
            for key in ("1", "2"):
                file.add(answer(key))
            if not file.is_done("v"):
                file.finish({"video": "v"})
        assert path.read_bytes() == whole


def test_a_run_with_other_settings_is_refused_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    ResultsFile(path, HEADER).close()
    other = {**HEADER, "settings": {**HEADER["settings"], "budgets": [20], "seed": 1}}
    with pytest.raises(InvalidInput, match=r"settings.budgets \[10\], not \[20\]; settings.seed 0"):
        ResultsFile(path, other)
    ResultsFile(path, {**HEADER, "times": {"began": "later"}}).close()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no header"),
        ('{"kind": "answer"}\n', "has no header"),
        ("x\n", "line 1: is not JSON"),
        ('{"kind": "header", "version": 9}\n', "has version 9; this reads 1"),
    ],
)
def test_what_is_no_results_file_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(text)
    with pytest.raises(InvalidInput, match=said):
        Results.read(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"r\.jsonl: cannot be read: No such file"):
        Results.read(tmp_path / "r.jsonl")


def test_shards_are_put_together_once(tmp_path: Path) -> None:
    parts = []
    for number in (2, 1):
        path = tmp_path / f"{number}.jsonl"
        settings = {**HEADER["settings"], "shard": [number, 2]}
        with ResultsFile(path, {**HEADER, "settings": settings}) as file:
            file.add(answer(str(number)))
            file.finish({"video": f"v{number}"})
        parts.append(Results.read(path))
    together = merged(parts)
    assert together.header["shards"] == ["1/2", "2/2"]
    assert {one.key for one in together.answers} == {"1", "2"}
    with pytest.raises(InvalidInput, match="shard 2 of 2 is given twice"):
        merged([parts[0], *parts])
    other = Results(tmp_path, {**HEADER, "benchmark": "rvs"})
    with pytest.raises(InvalidInput, match="benchmark 'rvs', not 'own'"):
        merged([parts[0], other])


WRITER = """
import json, sys
from pathlib import Path
from tests.unit.evaluation.test_results import HEADER, answer
from hermes.evaluation.results import ResultsFile

with ResultsFile(Path(sys.argv[1]), HEADER) as file:
    for number in range(int(sys.argv[2])):
        file.add(answer(str(number)))
        print(number, flush=True)
    file.finish({"video": "v"})
"""


def test_killed_for_real_and_resumed(tmp_path: Path) -> None:
    path, count = tmp_path / "r.jsonl", 20_000
    command = [sys.executable, "-c", WRITER, str(path), str(count)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=os.getcwd())
    assert process.stdout is not None
    for _ in range(100):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    kept = path.read_bytes().count(b"\n") - 1
    assert 100 <= kept < count
    with ResultsFile(path, HEADER) as file:
        assert len(file.found.answers) == kept
        for number in range(kept + 10):
            file.add(answer(str(number)))
    found = lines_of(path)
    assert [json.dumps(line) for line in found[1:]] == [
        json.dumps(answer(str(number)).line() | {}).replace(', "times": {}', "")
        for number in range(kept + 10)
    ]
