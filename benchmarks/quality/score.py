"""Right answers, counted by kind of question and age of the evidence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hermes.demo.questions import KINDS
from hermes.evaluation.share import Share


@dataclass(frozen=True, slots=True)
class Verdict:
    """One answer. `age`: frames since its evidence was last seen; None where there was none."""

    kind: str
    age: float | None
    right: bool


def share_of(verdicts: Iterable[Verdict]) -> Share:
    """The share of right answers among these."""
    return Share.of(verdict.right for verdict in verdicts)


def era(verdict: Verdict, budget_frames: float) -> str:
    """`now`, `recent past` or `distant past`: what a window of the budget's size still holds, or
    does not; `never there`.
    """
    if verdict.age is None:
        return "never there"
    if KINDS[verdict.kind][0] == "now":
        return "now"
    return "recent past" if verdict.age <= budget_frames else "distant past"
