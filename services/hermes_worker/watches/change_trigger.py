"""Events of a choice that became another one: each opens and closes at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from services.hermes_worker.watches.conditions import Reading
from services.hermes_worker.watches.trigger import (
    Closed,
    End,
    MayOpen,
    Opened,
    Phase,
    Rules,
    State,
    Step,
)


@dataclass(slots=True)
class ChangeTrigger:
    """Makes an event when the likeliest choice becomes another, and stays it for long enough.

    A choice counts only with a probability of at least `least`. The first one that
    counts is where it begins: it makes no event. A change within a cooldown makes none
    either, and is the new state of things.
    """

    rules: Rules
    least: float
    new_id: Callable[[], str]
    state: State = field(default_factory=State)

    def step(self, reading: Reading, may_open: MayOpen = lambda at_ms: True) -> list[Step]:
        """What a reading makes of it. Readings that are not newer than the last say nothing."""
        state = self.state
        if state.last_ms is not None and reading.at_ms <= state.last_ms:
            return []
        elapsed = 0 if state.last_ms is None else reading.at_ms - state.last_ms
        gap = reading.after_gap or elapsed > self.rules.longest_step_ms
        if gap and self.rules.gap_closes:
            state = replace(state, phase=Phase.QUIET, before="", after="", held_ms=0)
        now, value = reading.answer, reading.choices.get(reading.answer, 0.0)
        state = replace(state, last_ms=reading.at_ms)
        if value < self.least or now == state.before:
            self.state = replace(state, phase=Phase.QUIET, after="", held_ms=0)
            return []
        if not state.before:
            self.state = replace(state, before=now)
            return []
        if state.phase is Phase.HOLDING and now == state.after:
            state = replace(state, held_ms=state.held_ms + (0 if gap else elapsed))
        else:
            state = replace(
                state, phase=Phase.HOLDING, after=now, since_ms=reading.at_ms, held_ms=0
            )
        self.state = state
        return self._changed(reading, value, may_open)

    def _changed(self, reading: Reading, value: float, may_open: MayOpen) -> list[Step]:
        state, rules, at_ms = self.state, self.rules, reading.at_ms
        if state.held_ms < rules.hold_ms:
            return []
        since = state.since_ms
        self.state = replace(state, phase=Phase.QUIET, before=state.after, after="", held_ms=0)
        if state.sent_ms is not None and abs(at_ms - state.sent_ms) < rules.cooldown_ms:
            return []
        if not may_open(at_ms):
            return []
        self.state = replace(self.state, sent_ms=at_ms)
        event_id = self.new_id()
        return [
            Opened(event_id, since, at_ms, value, reading.answer),
            Closed(event_id, since, at_ms, value, value, End.CLEARED),
        ]

    def close(self, end: End) -> list[Step]:
        """Nothing is ever open."""
        return []
