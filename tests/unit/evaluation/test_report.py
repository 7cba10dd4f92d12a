"""The report: what it says, that it stands alone, and that its figures are those of the answers."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from hermes.evaluation.answer import Answer
from hermes.evaluation.chart import Axis, Point, chart
from hermes.evaluation.figures import Figures, joules_of
from hermes.evaluation.judge import Verdict
from hermes.evaluation.published import PUBLISHED
from hermes.evaluation.report import Judged, page_of, runs_of, summary_of, write_page
from hermes.evaluation.results import Results, ResultsFile

HEADER: dict[str, Any] = {
    "benchmark": "streamingbench",
    "data_sha256": "ab" * 32,
    "videos": 2,
    "items": 4,
    "times": {"began": "2026-11-30T00:00:00+00:00"},
    "notes": ["record 3: the time_stamp '00:12450' is read as 12450 s"],
    "settings": {
        "policies": ["hermes", "last-frames"],
        "budgets": [96],
        "fps": 1.0,
        "context_s": None,
        "prompt": "official",
        "compress_every_frames": 16,
        "shard": None,
        "seed": 0,
    },
    "model": {"name": "m", "family": "f", "dtype": "bfloat16", "most_frame_tokens": 16},
    "device": "a <device>",
    "versions": {"torch": "2", "av": None},
}


def results(path: Path, header: dict[str, Any] = HEADER, joules: float | None = None) -> Results:
    """Two videos of two questions; hermes is right four times, last-frames about the present."""
    with ResultsFile(path, header) as file:
        for number in range(2):
            name = f"v{number}"
            for budget in header["settings"]["budgets"]:
                for policy in header["settings"]["policies"]:
                    for age in (1.0, 100.0):
                        right = policy == "hermes" or age < 10
                        file.add(
                            Answer(
                                video=name,
                                key=f"{name}/{age}",
                                task="Counting",
                                group="real",
                                rule="first-character",
                                gold="B",
                                policy=policy,
                                budget=budget,
                                text="B" if right else "C",
                                options=("a", "b", "c", "d"),
                                age_s=age,
                                frames=200,
                                taken=3200 if policy == "hermes" else 0,
                                read=budget,
                                device_bytes=1 << 20,
                                times={"warm_s": 0.1, "fresh_s": 0.3, "whole_s": 0.2},
                            )
                        )
            fed = {
                f"{p}@{b}": 200
                for b in header["settings"]["budgets"]
                for p in header["settings"]["policies"]
            }
            times: dict[str, Any] = {"tower_s": 2.0, "feed_s": dict.fromkeys(fed, 8.0)}
            if joules is not None:
                times["joules"] = joules
            file.finish(
                {
                    "video": name,
                    "problem": "the video is missing" if number else "",
                    "seconds": 200,
                    "frames": 200,
                    "late": [],
                    "faults": {},
                    "fed": fed,
                    "times": times,
                }
            )
    return Results.read(path)


class Outside(HTMLParser):
    """What a page asks others for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.headings: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.asked += [f"{tag} {name}" for name, _ in attrs if name in ("src", "href", "data")]
        if tag in ("script", "link", "iframe", "object"):
            self.asked.append(tag)


def test_a_page_that_stands_alone(tmp_path: Path) -> None:
    page = page_of(runs_of([results(tmp_path / "r.jsonl")]))
    html, markdown = write_page(page, tmp_path / "report")
    text = html.read_text()
    outside = Outside()
    outside.feed(text)
    assert outside.asked == []
    assert "url(" not in text
    assert "a &lt;device&gt;" in text
    assert "<device>" not in text
    words = markdown.read_text()
    assert "| all of real | 4 | 100.00 (51.0-100.0) | 50.00 (50.0-50.0) |" in words
    assert "v1: the video is missing" in words
    assert "'00:12450' is read as 12450 s" in words
    assert "arXiv 2601.14724" in words
    for name in re.findall(r"\]\((.*\.svg)\)", words):
        ElementTree.parse(tmp_path / "report" / name)
    assert "streamingbench-age.svg" in words
    assert "budget.svg" not in words  # there is one budget


def test_figures_are_those_of_the_answers(tmp_path: Path) -> None:
    found = results(tmp_path / "r.jsonl", joules=50.0)
    figures = Figures.of(found, ("hermes", 96))
    assert (figures.taken, figures.read, figures.device_bytes) == (16, 96, 1 << 20)
    assert figures.warm_s == pytest.approx((0.1, 0.1))
    assert figures.fresh_s == pytest.approx((0.3, 0.3))
    assert figures.pictures_s == pytest.approx(20)  # 400 in twice 2 s of tower and 8 of decoder
    assert joules_of(found) == 100
    assert "Energy of r.jsonl" in page_of([found]).markdown()
    without = results(tmp_path / "s.jsonl")
    assert joules_of(without) is None
    assert "Energy" not in page_of([without]).markdown()


def test_runs_at_several_budgets_make_a_curve(tmp_path: Path) -> None:
    settings = {**HEADER["settings"], "budgets": [96, 192]}
    page = page_of([results(tmp_path / "r.jsonl", {**HEADER, "settings": settings})])
    assert [one.file for one in page.charts] == [
        "streamingbench-age.svg",
        "streamingbench-budget.svg",
        "streamingbench-tokens.svg",
    ]
    assert "hermes, 192" in page.markdown()


def test_shards_are_one_run_and_other_runs_stay_apart(tmp_path: Path) -> None:
    parts = []
    for number in (1, 2):
        settings = {**HEADER["settings"], "shard": [number, 2]}
        parts.append(results(tmp_path / f"{number}.jsonl", {**HEADER, "settings": settings}))
    assert "0 of 2 videos" not in page_of(runs_of(parts)).markdown()
    (run,) = runs_of(parts)
    assert len(run.answers) == 16
    other = results(tmp_path / "other.jsonl", {**HEADER, "benchmark": "ovobench"})
    assert len(runs_of([*parts, other])) == 2
    assert "1/2, 2/2" in page_of([run]).markdown()


def test_what_was_not_played_is_said(tmp_path: Path) -> None:
    """A run that is not at its end, or a limit: its denominators are not those of the benchmark."""
    words = page_of([results(tmp_path / "r.jsonl", {**HEADER, "videos": 9})]).markdown()
    assert "r.jsonl: 7 of 9 videos were not played" in words


def test_verdicts_of_a_judge_count(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    header = {**HEADER, "benchmark": "rvs"}
    with ResultsFile(path, header) as file:
        for key in ("1", "2"):
            file.add(
                Answer(
                    "v",
                    key,
                    "RVS-Ego",
                    "ego",
                    "judged",
                    "x",
                    "hermes",
                    96,
                    "y",
                    times={"warm_s": 0.1, "fresh_s": 0.1},
                )
            )
    found = Results.read(path)
    verdicts = [Verdict("hermes", 96, "1", "", True, 4), Verdict("hermes", 96, "2", "", False, 1)]
    words = page_of([found], {path: [Judged("judge-1", verdicts)]}).markdown()
    assert "| RVS-Ego | 2 | 50.00 (9.5-90.5) | - |" in words
    assert "mean score of 5" in words
    assert "2.50" in words
    assert "judge-1" in words
    others = [Judged("judge-1", verdicts), Judged("judge-2", verdicts[1:])]
    words = page_of([found], {path: others}).markdown()
    assert "| judge-2 | hermes | RVS-Ego: 0.00 (0.0-79.3) | 1.00 |" in words
    assert "not judged" in page_of([found]).markdown()


def test_a_summary_is_a_few_lines(tmp_path: Path) -> None:
    lines = summary_of(results(tmp_path / "r.jsonl"))
    assert any(line.startswith("| all of real | 4 | 100.00") for line in lines)
    assert any("v1: the video is missing" in line for line in lines)


def test_every_published_figure_has_its_source_and_date() -> None:
    for one in PUBLISHED:
        assert re.search(r"arXiv \d{4}\.\d{5} v\d, \d{4}-\d\d-\d\d", one.source)
        assert 0 < one.value < 100


def test_no_word_lies_in_the_plot() -> None:
    """Names are beside it, ticks below it."""
    axis = Axis("tokens", [(1, "1"), (100, "100")], logarithmic=True)
    lines = {f"<line {n}>": [Point(1, 0.5, 0.4, 0.6), Point(100, 1, 0.9, 1)] for n in range(9)}
    drawn = ElementTree.fromstring(chart("A & B", axis, lines))
    name = "{http://www.w3.org/2000/svg}text"
    texts = [(float(one.get("x", "0")), float(one.get("y", "0"))) for one in drawn.iter(name)]
    assert len(texts) == 1 + 5 + 2 + 1 + 9
    inside = [(x, y) for x, y in texts if 52 < x < 530 and 40 < y < 284]
    assert inside == []
