"""Scores of a contender, as the benchmark counts and strictly, with intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hermes.evaluation.answer import Answer
from hermes.evaluation.ovobench import GROUPS
from hermes.evaluation.share import Share

RESAMPLES = 2000

Numbers = NDArray[np.float64]
Task = tuple[str, str]
"""Group and task."""

Parts = frozenset[Task] | tuple["Parts", ...]
"""What a row of a table is made from: tasks whose answers are counted together, or the mean of
other parts.
"""

Judged = Mapping[tuple[str, int, str], bool | None]
"""Verdicts of another model, by contender and item."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share of right answers with its 95% interval, and of how many answers it is."""

    value: float
    low: float
    high: float
    asked: int

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "-"
        return f"{100 * self.value:.2f} ({100 * self.low:.1f}-{100 * self.high:.1f})"


@dataclass(frozen=True, slots=True)
class Score:
    """A row of a table. `official`: of the answers that the benchmark's scorer counts; `over_all`:
    by the same rule, of all questions. `strict`: of all questions, each once. `likeliest`: of those
    with probabilities.
    """

    label: str
    official: Estimate
    over_all: Estimate
    strict: Estimate
    likeliest: Estimate


def rows_of(benchmark: str, answers: Sequence[Answer]) -> dict[str, Parts]:
    """The rows of a benchmark's table, by label."""
    tasks = list(dict.fromkeys((answer.group, answer.task) for answer in answers))
    if benchmark == "ovobench":
        return _ovobench(tasks)
    groups = list(dict.fromkeys(group for group, _ in tasks))
    rows: dict[str, Parts] = {}
    if benchmark == "videomme-long":
        for name in dict.fromkeys(task for _, task in tasks):
            rows[name] = frozenset(task for task in tasks if task[1] == name)
        for group in groups:
            rows[f"all of {group}"] = frozenset(task for task in tasks if task[0] == group)
        rows["all"] = frozenset(tasks)
        return rows
    for group in groups:
        own = [task for task in tasks if task[0] == group]
        if len(own) > 1 or benchmark == "rvs":
            rows |= {task[1]: frozenset([task]) for task in own}
        if benchmark != "rvs":
            rows["all" if benchmark == "own" else f"all of {group}"] = frozenset(own)
    return rows


def _ovobench(tasks: Sequence[Task]) -> dict[str, Parts]:
    """Tasks, the mean of each category, and means of categories."""
    rows: dict[str, Parts] = {}
    means: dict[str, Parts] = {}
    for group, names in GROUPS.items():
        own = [(group, name) for name in names if (group, name) in tasks]
        if own:
            rows |= {name: frozenset([(group, name)]) for _, name in own}
            means[group] = rows[f"mean of {group}"] = tuple(frozenset([task]) for task in own)
    if len(means) == len(GROUPS):
        rows["average of three categories"] = tuple(means.values())
    if "realtime" in means and "backward" in means:
        rows["average without forward"] = (means["realtime"], means["backward"])
    episodic = [("backward", "EPM"), ("backward", "ASI")]
    if all(task in tasks for task in episodic):
        rows["ER: mean of EPM and ASI"] = tuple(frozenset([task]) for task in episodic)
    return rows


def scores_of(
    benchmark: str, answers: Sequence[Answer], judged: Judged | None = None, seed: int = 0
) -> list[Score]:
    """The table of one contender. `judged`: where another model judges answers."""
    verdicts = judged or {}

    def official(answer: Answer) -> bool | None:
        if answer.rule == "judged":
            return verdicts.get((*answer.contender, answer.key))
        return answer.official

    def strict(answer: Answer) -> bool | None:
        if answer.repeats:
            return None
        return official(answer) is True if answer.rule == "judged" else answer.strict

    def over_all(answer: Answer) -> bool | None:
        return official(answer) is True

    def likeliest(answer: Answer) -> bool | None:
        return None if answer.repeats else answer.likeliest

    counts = [_Counts.of(answers, rule) for rule in (official, over_all, strict, likeliest)]
    return [
        Score(label, *(one.estimate(parts, seed) for one in counts))
        for label, parts in rows_of(benchmark, answers).items()
    ]


@dataclass(frozen=True, slots=True)
class _Counts:
    """Right and counted answers of each video and task: [videos, tasks]."""

    tasks: list[Task]
    right: Numbers
    counted: Numbers

    @classmethod
    def of(cls, answers: Sequence[Answer], rule: Callable[[Answer], bool | None]) -> _Counts:
        videos = {name: n for n, name in enumerate(dict.fromkeys(one.video for one in answers))}
        tasks = list(dict.fromkeys((one.group, one.task) for one in answers))
        places = {task: number for number, task in enumerate(tasks)}
        right, counted = (np.zeros((len(videos), len(tasks))) for _ in range(2))
        for one in answers:
            verdict = rule(one)
            if verdict is not None:
                place = videos[one.video], places[one.group, one.task]
                counted[place] += 1
                right[place] += verdict
        return cls(tasks, right, counted)

    def estimate(self, parts: Parts, seed: int) -> Estimate:
        """A bootstrap over videos. Wilson's interval over answers where that says nothing: of a
        single video, and where all answers are right or all are wrong.
        """
        columns = [number for number, task in enumerate(self.tasks) if task in _tasks_in(parts)]
        counted = self.counted[:, columns]
        asked = int(counted.sum())
        value = float(self._value(parts, self.right.sum(0)[None], self.counted.sum(0)[None])[0])
        videos = np.flatnonzero(counted.sum(1))
        rights = int(self.right[:, columns].sum())
        if len(videos) < 2 or rights in (0, asked):
            share = Share(rights, asked)
            return Estimate(value, *share.interval, asked)
        draws = np.random.default_rng(seed).multinomial(
            len(videos), np.full(len(videos), 1 / len(videos)), RESAMPLES
        )
        found = self._value(parts, draws @ self.right[videos], draws @ self.counted[videos])
        low, high = np.nanquantile(found, (0.025, 0.975))
        return Estimate(value, float(low), float(high), asked)

    def _value(self, parts: Parts, right: Numbers, counted: Numbers) -> Numbers:
        """[draws, tasks] -> [draws]; NaN where nothing is counted."""
        if isinstance(parts, frozenset):
            columns = [number for number, task in enumerate(self.tasks) if task in parts]
            whole = counted[:, columns].sum(1)
            shares: Numbers = np.full(len(whole), np.nan)
            np.divide(right[:, columns].sum(1), whole, out=shares, where=whole > 0)
            return shares
        values = np.stack([self._value(part, right, counted) for part in parts])
        known = ~np.isnan(values)
        total = np.where(known, values, 0).sum(0)
        mean: Numbers = np.full(len(total), np.nan)
        np.divide(total, known.sum(0), out=mean, where=known.any(0))
        return mean


def _tasks_in(parts: Parts) -> frozenset[Task]:
    if isinstance(parts, frozenset):
        return parts
    return frozenset(task for part in parts for task in _tasks_in(part))
