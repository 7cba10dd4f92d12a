"""Right answers by the age of the evidence, by the budget, and by the tokens that are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from hermes.evaluation.answer import Answer
from hermes.evaluation.chart import Axis, Point, chart
from hermes.evaluation.page import Chart, Heading, Part
from hermes.evaluation.share import Share

AGES_S = (0, 10, 30, 60, 120, 300, 900, 3600, 36000)

Counted = tuple[str, str, int, Sequence[Answer]]
"""A contender: its label, policy, budget and answers."""

Right = Callable[[str, Answer], bool]


def charts_of(benchmark: str, contenders: Sequence[Counted], right: Right) -> list[Part]:
    """The charts for which there are figures. Answers are judged strictly."""
    found = [
        one
        for one in (
            _by_age(benchmark, contenders, right),
            _by_budget(benchmark, contenders, right),
            _by_tokens(benchmark, contenders, right),
        )
        if one is not None
    ]
    return [Heading("Curves", 3), *found] if found else []


def _by_age(benchmark: str, contenders: Sequence[Counted], right: Right) -> Chart | None:
    aged = [
        (label, [answer for answer in answers if answer.age_s is not None])
        for label, _, _, answers in contenders
    ]
    ages = [answer.age_s for _, answers in aged for answer in answers if answer.age_s is not None]
    if not ages:
        return None
    bins = [(low, high) for low, high in pairwise(AGES_S) if any(low <= age < high for age in ages)]
    if not bins:
        return None
    lines = {}
    for label, answers in aged:
        points = []
        for place, (low, high) in enumerate(bins):
            share = Share.of(
                right(label, answer)
                for answer in answers
                if answer.age_s is not None and low <= answer.age_s < high
            )
            if share.asked:
                points.append(Point(place, share.value, *share.interval))
        lines[label] = points
    ticks = [(place, f"{_time(low)} to {_time(high)}") for place, (low, high) in enumerate(bins)]
    axis = Axis("how long ago the evidence was last seen", ticks)
    title = f"{benchmark}: right answers by the age of the evidence"
    return Chart(title, chart(title, axis, lines), f"{benchmark}-age.svg")


def _by_budget(benchmark: str, contenders: Sequence[Counted], right: Right) -> Chart | None:
    budgets = sorted({budget for _, _, budget, _ in contenders})
    if len(budgets) < 2:
        return None
    lines: dict[str, list[Point]] = {}
    for label, policy, budget, answers in contenders:
        share = Share.of(right(label, answer) for answer in answers)
        name = label.replace(f", {budget}", "", 1) or policy
        if share.asked:
            lines.setdefault(name, []).append(Point(budget, share.value, *share.interval))
    axis = Axis("budget: tokens of video in each layer", [(b, str(b)) for b in budgets], True)
    title = f"{benchmark}: right answers by budget"
    return Chart(title, chart(title, axis, lines), f"{benchmark}-budget.svg")


def _by_tokens(benchmark: str, contenders: Sequence[Counted], right: Right) -> Chart | None:
    lines: dict[str, list[Point]] = {}
    for label, _, _, answers in contenders:
        own = [answer for answer in answers if answer.text is not None and answer.read]
        if own:
            share = Share.of(right(label, answer) for answer in own)
            read = sum(answer.read for answer in own) / len(own)
            lines[label] = [Point(read, share.value, *share.interval)]
    places = [point.x for points in lines.values() for point in points]
    if not places:
        return None
    axis = Axis("tokens of video that an answer reads in a layer, on average", _ticks(places), True)
    title = f"{benchmark}: right answers by tokens read"
    return Chart(title, chart(title, axis, lines), f"{benchmark}-tokens.svg")


def _ticks(places: Sequence[float]) -> list[tuple[float, str]]:
    """Round numbers around the places, each twice the one before."""
    at = 1.0
    while at * 2 <= min(places):
        at *= 2
    found = [at]
    while found[-1] < max(places):
        found.append(found[-1] * 2)
    if len(found) == 1:
        found.append(found[0] * 2)
    return [(one, f"{one:.0f}") for one in found]


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:g} s"
    return f"{seconds / 60:g} min" if seconds < 3600 else f"{seconds / 3600:g} h"
