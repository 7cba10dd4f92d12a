"""Events as they were told, and how they compare with what happened."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.watched.stage import Happening


@dataclass(frozen=True, slots=True)
class Rule:
    """Of a watch, in seconds."""

    hold_s: int = 0
    cooldown_s: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """An event, in seconds of the stream: since when, when it was sent, when it closed."""

    watch_id: str
    camera_id: str
    since: int
    sent: int
    closed: int | None


@dataclass(frozen=True, slots=True)
class Score:
    """`delays`: beyond what the rules say, in seconds, of each happening that was told."""

    events: int
    expected: int
    delays: tuple[int, ...]
    twice: int

    @property
    def precision(self) -> float:
        return len(self.delays) / max(1, self.events)

    @property
    def recall(self) -> float:
        return len(self.delays) / max(1, self.expected)

    def delay(self, percent: float) -> int:
        """A percentile of the delays."""
        ordered = sorted(self.delays)
        return ordered[math.ceil(percent / 100 * len(ordered)) - 1] if ordered else 0


def due(happenings: Iterable[Happening], rules: dict[str, Rule]) -> dict[Happening, int]:
    """When an event should come of each, but for those that their watch's rules leave out."""
    told: dict[Happening, int] = {}
    last: dict[tuple[str, str], int] = {}
    for one in sorted(happenings, key=lambda one: one.begin):
        rule, place = rules[one.watch_id], (one.camera_id, one.watch_id)
        at = max(one.begin + rule.hold_s, last.get(place, -rule.cooldown_s) + rule.cooldown_s)
        if at < one.end:
            told[one] = last[place] = at
    return told


def score(told: Sequence[Told], happenings: Iterable[Happening], rules: dict[str, Rule]) -> Score:
    """An event is right if it began while the thing went on, and no other told of it before."""
    expected = due(happenings, rules)
    hits: Counter[Happening] = Counter()
    delays = []
    for event in told:
        for one, at in expected.items():
            same = (one.watch_id, one.camera_id) == (event.watch_id, event.camera_id)
            if same and one.begin <= event.since < one.end:
                hits[one] += 1
                if hits[one] == 1:
                    delays.append(event.sent - at)
                break
    twice = sum(count - 1 for count in hits.values())
    return Score(len(told), len(expected), tuple(delays), twice)


def too_soon(told: Iterable[Told], rules: dict[str, Rule]) -> int:
    """How many events were sent before the cooldown of the one before was over."""
    sent: dict[tuple[str, str], list[int]] = {}
    for event in told:
        sent.setdefault((event.watch_id, event.camera_id), []).append(event.sent)
    return sum(
        later - earlier < rules[watch_id].cooldown_s
        for (watch_id, _), them in sent.items()
        for earlier, later in itertools.pairwise(them)
    )
