"""One answer of one contender to one item, as a line of a results file has it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, cast

from hermes.evaluation import rules
from hermes.evaluation.item import Item, Poll, Reply, Rule


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said, what would have been right, and what it took.

    `question`: where another model judges the answer. `text`: None if it was not asked, for the
    reason in `error`. `probabilities`: of the letters of its options, or of Yes and No. `chosen`:
    the text was made from the likeliest of them.
    `seen_s`: how much of the video had been seen. `age_s`: how long ago the evidence was last seen,
    where that is known. `taken`: tokens of video that the memory had taken in, `frames`: of so many
    frames. `read`: tokens of video that the answer could read, in a layer. `device_bytes`,
    `host_bytes`: of the memory between questions. `times`: in seconds; the only part that differs
    between two runs.
    """

    video: str
    key: str
    task: str
    group: str
    rule: Rule
    gold: str
    policy: str
    budget: int
    text: str | None
    error: str = ""
    options: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()
    chosen: bool = False
    polls: tuple[Poll, ...] = ()
    right_s: float | None = None
    repeats: str = ""
    question: str = ""
    seen_s: float = 0.0
    age_s: float | None = None
    frames: int = 0
    taken: int = 0
    read: int = 0
    device_bytes: int = 0
    host_bytes: int = 0
    times: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def unasked(cls, video: str, item: Item, policy: str, budget: int, error: str) -> Answer:
        """Of an item that could not be asked."""
        return cls(
            video=video,
            key=item.key,
            task=item.task,
            group=item.group,
            rule=item.rule,
            gold=item.gold,
            policy=policy,
            budget=budget,
            text=None,
            error=error,
            options=item.options,
            right_s=None if item.watch is None else item.watch.right_s,
            repeats=item.repeats,
            question="" if item.rule != "judged" else item.question,
        )

    @property
    def contender(self) -> tuple[str, int]:
        """Who answered."""
        return self.policy, self.budget

    @property
    def reply(self) -> Reply:
        """What was said."""
        return Reply(self.text, self.polls)

    @property
    def official(self) -> bool | None:
        """By the benchmark's own scorer; None if it leaves the answer out."""
        return rules.official(self.rule, self.text, self.gold, self.polls, self.right_s or 0.0)

    @property
    def strict(self) -> bool:
        """As a person would judge."""
        polls, right = self.polls, self.right_s or 0.0
        return rules.strict(self.rule, self.text, self.gold, self.options, polls, right)

    @property
    def likeliest(self) -> bool | None:
        """Whether the likeliest choice is the right one; None where there are no probabilities."""
        if not self.probabilities:
            return None
        best = self.probabilities.index(max(self.probabilities))
        if self.rule == "yes-no":
            return ("Yes", "No")[best] == self.gold
        return chr(ord("A") + best) == self.gold

    def line(self) -> dict[str, Any]:
        """For the file. What is empty is left out."""
        found = {name: value for name, value in asdict(self).items() if value not in ("", (), None)}
        found["text"] = self.text
        return {"kind": "answer", **found}

    @classmethod
    def of_line(cls, line: Mapping[str, Any]) -> Answer:
        """From a line of a file."""
        values = {name: value for name, value in line.items() if name != "kind"}
        for name in ("options", "probabilities"):
            values[name] = tuple(values.get(name, ()))
        values["polls"] = tuple(Poll(**poll) for poll in values.get("polls", ()))
        values["rule"] = cast(Rule, values["rule"])
        return cls(**values)


def finite(value: float) -> float | None:
    """For JSON, which knows no infinity."""
    return value if math.isfinite(value) else None
