"""When a watch's events open and close. Plain Python on times and values: no clock, no device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum

from services.hermes_worker.watches.conditions import Condition, Reading, Verdict
from services.hermes_worker.watches.rate import Samples, per_minute


class Phase(Enum):
    """Where a trigger is."""

    QUIET = "quiet"
    HOLDING = "holding"
    """The condition holds, and not yet for long enough, or within a cooldown."""
    OPEN = "open"


class End(Enum):
    """Why an event closes."""

    CLEARED = "cleared"
    GAP = "gap"
    WATCH = "watch"
    CAMERA = "camera"


@dataclass(frozen=True, slots=True)
class State:
    """What a trigger remembers. Written down after each step, so that a successor goes on.

    `since_ms`: capture time of the frame with which the condition began to hold.
    `held_ms`: for how long it was seen to hold since. `last_ms`: the newest
    reading. `sent_ms`: capture time of the frame with which an event was opened
    last. `peak`: the most extreme value since then. `before`, `after`: the choice
    that stood last, and the one that may follow it, where changes make events.
    `samples`: of a number whose growth counts.
    """

    phase: Phase = Phase.QUIET
    since_ms: int = 0
    held_ms: int = 0
    last_ms: int | None = None
    sent_ms: int | None = None
    event_id: str = ""
    peak: float = 0.0
    before: str = ""
    after: str = ""
    samples: Samples = ()

    def as_quiet_as(self, other: State) -> bool:
        """Whether neither waits for anything, and they differ in nothing but their readings."""
        alike = replace(other, last_ms=self.last_ms, samples=self.samples, peak=self.peak)
        return self.phase is Phase.QUIET and self == alike


@dataclass(frozen=True, slots=True)
class Opened:
    """An event opens. `since_ms`: the frame with which its condition began."""

    event_id: str
    since_ms: int
    at_ms: int
    value: float
    answer: str


@dataclass(frozen=True, slots=True)
class Closed:
    """An event closes."""

    event_id: str
    opened_ms: int
    at_ms: int
    value: float
    peak: float
    end: End


Step = Opened | Closed

MayOpen = Callable[[int], bool]
"""Whether an event may open at this capture time: the watch's other cameras have a say in that.
It is called only when nothing else is in the way, and a yes counts as an event that was sent."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How a trigger steps. Times are of capture, in ms.

    `hold_ms`: the condition must be seen to hold for this long. `cooldown_ms`: between
    the openings of two events of one camera. `gap_closes`: a gap closes an event, and
    the wait begins anew; otherwise a gap changes nothing, and its time does not count.
    `longest_step_ms`: two readings that are further apart have a gap between them.
    `rate_ms`: the condition is of how fast the number grows over this long; 0: of the
    number itself.
    """

    hold_ms: int = 0
    cooldown_ms: int = 0
    gap_closes: bool = False
    longest_step_ms: int = 10 * 60_000
    rate_ms: int = 0


@dataclass(slots=True)
class Trigger:
    """Opens and closes the events of one watch and one camera: at most one is open.

    It never opens and closes on values between its condition's limits, and never opens
    two events within a cooldown.
    """

    rules: Rules
    condition: Condition
    new_id: Callable[[], str]
    state: State = field(default_factory=State)

    def step(self, reading: Reading, may_open: MayOpen = lambda at_ms: True) -> list[Step]:
        """What a reading makes of it. Readings that are not newer than the last say nothing."""
        state = self.state
        if state.last_ms is not None and reading.at_ms <= state.last_ms:
            return []
        elapsed = 0 if state.last_ms is None else reading.at_ms - state.last_ms
        gap = reading.after_gap or elapsed > self.rules.longest_step_ms
        steps: list[Step] = []
        if gap and self.rules.gap_closes:
            steps += self.close(End.GAP)
            self._quiet()
            self.state = replace(self.state, samples=())
        value = self._value(reading)
        if value is not None:  # else too little is known of how fast it grows
            steps += self._judged(reading, value, 0 if gap else elapsed, may_open)
        self.state = replace(self.state, last_ms=reading.at_ms)
        return steps

    def _judged(
        self, reading: Reading, value: float, elapsed_ms: int, may_open: MayOpen
    ) -> list[Step]:
        verdict = self.condition.judge(value)
        if self.state.phase is Phase.OPEN:
            peak = self.condition.graver(self.state.peak, value)
            self.state = replace(self.state, peak=peak)
            if verdict is Verdict.CLEAR:
                return self._close(End.CLEARED, reading.at_ms, value)
        elif verdict is Verdict.HOLDS:
            self._hold(reading.at_ms, value, elapsed_ms)
            return self._open(reading, value, may_open)
        else:
            self._quiet()
        return []

    def _value(self, reading: Reading) -> float | None:
        value = self.condition.value(reading)
        if not self.rules.rate_ms:
            return value
        samples, rate = per_minute(self.state.samples, reading.at_ms, value, self.rules.rate_ms)
        self.state = replace(self.state, samples=samples)
        return rate

    def close(self, end: End) -> list[Step]:
        """Close the event that is open, if one is, as of the last reading."""
        if self.state.phase is not Phase.OPEN or self.state.last_ms is None:
            return []
        return self._close(end, self.state.last_ms, self.state.peak)

    def _hold(self, at_ms: int, value: float, elapsed_ms: int) -> None:
        state = self.state
        if state.phase is Phase.QUIET:
            self.state = replace(state, phase=Phase.HOLDING, since_ms=at_ms, held_ms=0, peak=value)
        else:
            peak = self.condition.graver(state.peak, value)
            self.state = replace(state, held_ms=state.held_ms + elapsed_ms, peak=peak)

    def _quiet(self) -> None:
        if self.state.phase is Phase.HOLDING:
            self.state = replace(self.state, phase=Phase.QUIET, held_ms=0)

    def _open(self, reading: Reading, value: float, may_open: MayOpen) -> list[Step]:
        state, rules, at_ms = self.state, self.rules, reading.at_ms
        if state.held_ms < rules.hold_ms:
            return []
        if state.sent_ms is not None and abs(at_ms - state.sent_ms) < rules.cooldown_ms:
            return []
        if not may_open(at_ms):
            return []
        event_id = self.new_id()
        self.state = replace(state, phase=Phase.OPEN, sent_ms=at_ms, event_id=event_id)
        return [Opened(event_id, state.since_ms, at_ms, value, reading.answer)]

    def _close(self, end: End, at_ms: int, value: float) -> list[Step]:
        state = self.state
        self.state = replace(state, phase=Phase.QUIET, event_id="", held_ms=0)
        return [Closed(state.event_id, state.since_ms, at_ms, value, state.peak, end)]
