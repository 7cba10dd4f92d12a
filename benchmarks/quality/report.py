"""The results as Markdown tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.quality.score import Verdict, era, share_of
from hermes.demo.questions import KINDS

ERAS = ("now", "recent past", "distant past", "never there")

Verdicts = Mapping[str, Sequence[Verdict]]
"""By contender."""


def by_kind(results: Verdicts, kinds: Sequence[str] = tuple(KINDS)) -> str:
    """A row for each contender, a column for each kind of question."""
    rows = [
        [name, *(str(share_of(v for v in verdicts if v.kind == kind)) for kind in kinds)]
        for name, verdicts in results.items()
    ]
    return table(["memory", *kinds], rows)


def by_era(
    results: Verdicts,
    budget_frames: float,
    held: Mapping[str, str],
    shown: str = "tokens a layer",
) -> str:
    """A row for each contender, a column for each era; `held` comes after the name, as `shown`."""
    rows = []
    for name, verdicts in results.items():
        parts = {
            wanted: [v for v in verdicts if era(v, budget_frames) == wanted] for wanted in ERAS
        }
        rows.append([name, held.get(name, ""), *(str(share_of(parts[wanted])) for wanted in ERAS)])
    return table(["memory", shown, *ERAS], rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)
