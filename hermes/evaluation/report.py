"""The report of one run or several: scores, figures, curves, and what went wrong."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hermes.evaluation import curves
from hermes.evaluation.answer import Answer
from hermes.evaluation.figures import Figures, joules_of
from hermes.evaluation.judge import Verdict
from hermes.evaluation.page import Heading, Items, Page, Table, standing_alone
from hermes.evaluation.published import published_for
from hermes.evaluation.results import Results, merged
from hermes.evaluation.scores import Score, scores_of

_MOST_LISTED = 40
"""Of videos and notes; the rest is counted."""


@dataclass(slots=True)
class Judged:
    """The verdicts of one judge about one run."""

    judge: str
    verdicts: list[Verdict] = field(default_factory=list)


@dataclass(slots=True)
class Contender:
    """A policy at a budget in a run, with its answers."""

    label: str
    run: Results
    policy: str
    budget: int
    answers: list[Answer]
    scores: list[Score]
    mean_score: float = math.nan


def runs_of(files: Iterable[Results]) -> list[Results]:
    """The runs in these files: shards of one run are put together."""
    together: dict[str, list[Results]] = {}
    for one in files:
        together.setdefault(_identity(one.header), []).append(one)
    return [merged(parts) for parts in together.values()]


def page_of(runs: Sequence[Results], judged: Mapping[Path, Sequence[Judged]] | None = None) -> Page:
    """The report of these runs. `judged`: verdicts, by results file; those of the first judge count
    in the tables.
    """
    page = Page("Evaluation of streaming memories")
    known = judged or {}
    for benchmark in dict.fromkeys(run.header["benchmark"] for run in runs):
        own = [run for run in runs if run.header["benchmark"] == benchmark]
        _add_benchmark(page, benchmark, own, known)
    return page


def summary_of(run: Results) -> list[str]:
    """The scores of a run in a few lines, and what is missing."""
    contenders = _contenders(run, [run], ())
    page = Page("")
    page.add(_score_table(contenders, "official"))
    page.add(_denominators(contenders, _headline(contenders)))
    _add_problems(page, [run], contenders)
    return page.markdown().partition("\n\n")[2].splitlines()


def write_page(page: Page, folder: Path) -> list[Path]:
    """Write `report.html`, and `report.md` with its pictures, into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    html, markdown = folder / "report.html", folder / "report.md"
    html.write_text(page.html(), encoding="utf-8")
    markdown.write_text(page.markdown(), encoding="utf-8")
    for chart in page.charts:
        (folder / chart.file).write_text(standing_alone(chart.svg), encoding="utf-8")
    return [html, markdown]


def _add_benchmark(
    page: Page, benchmark: str, runs: Sequence[Results], judged: Mapping[Path, Sequence[Judged]]
) -> None:
    contenders = [one for run in runs for one in _contenders(run, runs, judged.get(run.path, ()))]
    page.add(Heading(benchmark))
    page.add(_facts(runs, judged))
    headline = _headline(contenders)
    page.add(Heading("Scores as the benchmark counts them", 3))
    page.add(
        "In percent, with 95% intervals: a bootstrap over videos (Wilson's over answers for a"
        " single video, and where all are right or wrong). Answers that the benchmark's own scorer"
        " leaves out are left out here."
    )
    page.add(_score_table(contenders, "official"))
    page.add(Heading("Strict scores", 3))
    page.add(
        "The answer is read as a person would read it. Every question counts, once, also where"
        " there was no answer."
    )
    page.add(_score_table(contenders, "strict"))
    page.add(Heading("Both denominators, and choices by probability", 3))
    page.add(_denominators(contenders, headline))
    _add_judges(page, runs, judged)
    _add_published(page, benchmark, contenders)
    page.add(Heading("What it took", 3))
    page.add(
        "Tokens taken in are of a picture, on average. Tokens read are what an answer could read"
        " in each layer; at equal tokens two memories of one model take equal bytes of cache."
        " Warm and fresh: time to the first token from a ready memory, and with the wait for the"
        " newest pictures; median and 95th percentile. Pictures a second include the tower, which"
        " all contenders share."
    )
    page.add(_figures(contenders))
    for run in runs:
        joules = joules_of(run)
        if joules is not None:
            frames = sum(video["frames"] for video in run.videos)
            page.add(
                f"Energy of {_label(run)}, all contenders together: {joules / 3600:.1f} Wh,"
                f" {joules / max(1, frames):.1f} J a picture."
            )
    counted = [(one.label, one.policy, one.budget, one.answers) for one in contenders]
    verdicts = {
        (run.path, *verdict.place): verdict.right
        for run in runs
        for one in judged.get(run.path, ())[:1]
        for verdict in one.verdicts
    }
    paths = {one.label: one.run.path for one in contenders}

    def right(label: str, answer: Answer) -> bool:
        if answer.rule == "judged":
            return verdicts.get((paths[label], *answer.contender, answer.key)) is True
        return answer.strict

    page.add(*curves.charts_of(benchmark, counted, right))
    _add_problems(page, runs, contenders)


def _contenders(run: Results, runs: Sequence[Results], judged: Sequence[Judged]) -> list[Contender]:
    found = []
    verdicts = judged[0].verdicts if judged else []
    rights = {verdict.place: verdict.right for verdict in verdicts}
    for policy, budget in run.contenders:
        answers = [one for one in run.answers if one.contender == (policy, budget)]
        seed = run.header["settings"]["seed"]
        scores = scores_of(run.header["benchmark"], answers, rights, seed)
        marks = [
            v.score
            for v in verdicts
            if (v.policy, v.budget) == (policy, budget) and v.score is not None
        ]
        label = policy
        if len({one for other in runs for one in other.header["settings"]["budgets"]}) > 1:
            label += f", {budget}"
        if len({other.header["model"]["name"] for other in runs}) > 1:
            label += f", {run.header['model']['name']}"
        mean = sum(marks) / len(marks) if marks else math.nan
        found.append(Contender(label, run, policy, budget, answers, scores, mean))
    return found


def _facts(runs: Sequence[Results], judged: Mapping[Path, Sequence[Judged]]) -> Table:
    rows = []
    for run in runs:
        settings, model = run.header["settings"], run.header["model"]
        context = settings["context_s"]
        versions = run.header["versions"]
        videos = len(run.videos)
        played = sum(video["seconds"] for video in run.videos) / 3600
        rows += [
            ["model", f"{model['name']}, {model['family']}, {model['dtype']}"],
            ["device", f"{run.header['device']}, {run.header['times']['began'][:10]}"],
            ["videos", f"{videos}, {played:.2f} hours, {settings['fps']:g} pictures a second"],
            ["context", "all before the question" if context is None else f"{context:g} s"],
            ["prompts", settings["prompt"]],
            [
                "budget",
                ", ".join(map(str, settings["budgets"]))
                + f" tokens a layer; a frame has up to {model['most_frame_tokens']};"
                f" compressed every {settings['compress_every_frames']} frames",
            ],
            ["shards", ", ".join(run.header.get("shards") or ["1/1"])],
            ["data", f"SHA-256 {run.header['data_sha256'][:16]}"],
            ["versions", ", ".join(f"{name} {one}" for name, one in versions.items() if one)],
            ["file", run.path.name],
        ]
        if run.header["benchmark"] == "rvs":
            judges = [f"{j.judge}, {len(j.verdicts)} verdicts" for j in judged.get(run.path, ())]
            rows.append(["judge", "; ".join(judges) or "not judged yet"])
    return Table(["", "this run" if len(runs) == 1 else "these runs"], rows, texts=frozenset({1}))


def _headline(contenders: Sequence[Contender]) -> str:
    """The row by which contenders are compared."""
    labels = [score.label for score in contenders[0].scores] if contenders else []
    wanted = ["average without forward", "all of real", "all"]
    for label in wanted:
        if label in labels:
            return label
    return labels[-1] if labels else ""


def _score_table(contenders: Sequence[Contender], column: str) -> Table:
    labels = list(dict.fromkeys(s.label for one in contenders for s in one.scores))
    rows, sums = [], set()
    for number, label in enumerate(labels):
        scores = [next((s for s in one.scores if s.label == label), None) for one in contenders]
        asked = max((getattr(score, column).asked for score in scores if score), default=0)
        cells = ["-" if score is None else str(getattr(score, column)) for score in scores]
        rows.append([label, str(asked), *cells])
        if label.startswith(("all", "mean", "average")):
            sums.add(number)
    return Table(["", "questions", *(one.label for one in contenders)], rows, frozenset(sums))


def _denominators(contenders: Sequence[Contender], headline: str) -> Table:
    rows = []
    for one in contenders:
        score = next((s for s in one.scores if s.label == headline), None)
        if score is None:
            continue
        unanswered = sum(answer.text is None for answer in one.answers)
        cells = [str(score.official.asked), str(score.official), str(score.over_all.asked)]
        rows.append(
            [
                one.label,
                *cells,
                str(score.over_all),
                str(score.strict),
                str(score.likeliest),
                str(unanswered),
                *([] if math.isnan(one.mean_score) else [f"{one.mean_score:.2f}"]),
            ]
        )
    judged = any(not math.isnan(one.mean_score) for one in contenders)
    head = [
        headline,
        "counted",
        "of those counted",
        "questions",
        "of all",
        "strict",
        "by probability",
        "not answered",
    ]
    return Table([*head, *(["mean score of 5"] if judged else [])], rows)


def _add_judges(
    page: Page, runs: Sequence[Results], judged: Mapping[Path, Sequence[Judged]]
) -> None:
    """What each judge found, where there are several."""
    rows = []
    for run in runs:
        judges = judged.get(run.path, ())
        for judge in judges if len(judges) > 1 else ():
            for one in _contenders(run, runs, [judge]):
                cells = [f"{s.label}: {s.official}" for s in one.scores]
                rows.append(
                    [judge.judge, one.label, "; ".join(cells), _plain(one.mean_score, ".2f")]
                )
    if rows:
        page.add(Heading("By judge", 3))
        head = ["judge", "", "percent", "mean score of 5"]
        page.add(Table(head, rows, texts=frozenset({1, 2})))


def _add_published(page: Page, benchmark: str, contenders: Sequence[Contender]) -> None:
    rows = []
    figures = published_for(benchmark)
    for row in dict.fromkeys(figure.row for figure in figures):
        for one in contenders:
            score = next((s for s in one.scores if s.label == row), None)
            if score is not None and score.official.asked:
                model = one.run.header["model"]["name"]
                rows.append([row, one.label, model, str(score.official), "this run"])
        rows += [
            [row, figure.system, figure.model, f"{figure.value:.2f}", figure.source]
            for figure in figures
            if figure.row == row
        ]
    if rows:
        page.add(Heading("Beside published figures", 3))
        page.add(
            "Published figures are their authors' own, with their machines, prompts, frame rates"
            " and frames; only what was measured in one run is compared under equal conditions."
        )
        page.add(
            Table(["row", "system", "model", "percent", "source"], rows, texts=frozenset({1, 2, 4}))
        )


def _figures(contenders: Sequence[Contender]) -> Table:
    rows = []
    for one in contenders:
        found = Figures.of(one.run, (one.policy, one.budget))
        rows.append(
            [
                one.label,
                _plain(found.taken, ".1f"),
                _plain(found.read, ".0f"),
                _size(found.device_bytes),
                _size(found.host_bytes),
                f"{_ms(found.warm_s[0])} / {_ms(found.warm_s[1])}",
                f"{_ms(found.fresh_s[0])} / {_ms(found.fresh_s[1])}",
                _plain(found.pictures_s, ".1f"),
            ]
        )
    head = ["", "tokens taken in", "tokens read", "on the device", "on the host"]
    return Table([*head, "warm", "fresh", "pictures/s"], rows)


def _add_problems(page: Page, runs: Sequence[Results], contenders: Sequence[Contender]) -> None:
    page.add(Heading("What is missing, and what is odd", 3))
    found = []
    for run in runs:
        unplayed = run.header["videos"] - len(run.videos)
        if unplayed:
            found.append(
                f"{_label(run)}: {unplayed} of {run.header['videos']} videos were not played; their"
                " questions are in no figure here"
            )
        for video in run.videos:
            if video["problem"]:
                found.append(f"{video['video']}: {video['problem']}")
            for contender, fault in video["faults"].items():
                found.append(f"{video['video']}, {contender}: {fault}")
            if video["late"]:
                found.append(
                    f"{video['video']}: ended before {len(video['late'])} of its questions were"
                    " due; they were asked at its end"
                )
        found += [f"{_label(run)}: {note}" for note in run.header.get("notes", ())]
    for one in contenders:
        reasons = Counter(answer.error for answer in one.answers if answer.error)
        found += [f"{one.label}: {count} not answered: {why}" for why, count in reasons.items()]
    if len(found) > _MOST_LISTED:
        found = [*found[:_MOST_LISTED], f"and {len(found) - _MOST_LISTED} more"]
    page.add(Items(found) if found else "Nothing: every video was played, every question asked.")


def _identity(header: Mapping[str, Any]) -> str:
    """What shards of one run have in common, as text."""
    settings = {name: one for name, one in header["settings"].items() if name != "shard"}
    kept = {name: one for name, one in header.items() if name not in ("settings", "times")}
    return repr((sorted(kept.items(), key=lambda pair: pair[0]), sorted(settings.items())))


def _label(run: Results) -> str:
    return run.path.name


def _plain(value: float, form: str) -> str:
    return "-" if math.isnan(value) else format(value, form)


def _ms(seconds: float) -> str:
    return "-" if math.isnan(seconds) else f"{1000 * seconds:.0f} ms"


def _size(count: float) -> str:
    if math.isnan(count):
        return "-"
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.2f} GiB"
