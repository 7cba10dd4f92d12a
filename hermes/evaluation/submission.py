"""Results in the formats of the benchmarks, ready for their own scorers."""

from __future__ import annotations

import json
from pathlib import Path

from hermes.evaluation.item import Benchmark
from hermes.evaluation.results import Results


def write_submissions(benchmark: Benchmark, run: Results, folder: Path) -> list[Path]:
    """A file, or several, for each contender."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    model = run.header["model"]["name"]
    for policy, budget in run.contenders:
        replies = {
            answer.key: answer.reply
            for answer in run.answers
            if answer.contender == (policy, budget)
        }
        for name, content in benchmark.submission(f"{model}-{policy}-{budget}", replies).items():
            path = folder / name
            if isinstance(content, str):
                path.write_text(content, encoding="utf-8")
            else:
                text = json.dumps(content, indent=4, ensure_ascii=False)
                path.write_text(text + "\n", encoding="utf-8")
            written.append(path)
    return written
