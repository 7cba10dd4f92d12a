"""One watch as it is asked of one camera."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from hermes.engine import Answer
from hermes.hours import WeekHours
from hermes.question import Question
from hermes.v1.watch_pb2 import Watch
from services.common.watch_rules import hours_of
from services.hermes_worker.watches.asking import question_of
from services.hermes_worker.watches.conditions import Reading
from services.hermes_worker.watches.pace import HEARTBEAT_MS, Pace
from services.hermes_worker.watches.rules import AnyTrigger, ms
from services.hermes_worker.watches.trigger import Phase, State
from services.hermes_worker.watches.written import written

SURE = 0.8
"""An answer whose likeliest choice has less than this is unsure."""
QUIET_WRITE_MS = 5_000
"""The state of a trigger that waits for nothing is written down this often."""


@dataclass(slots=True)
class Watched:
    """A watch with its trigger, its pace, and what is being asked.

    `most_tokens`: of an answer. `question`: what it asks. `trigger`: None for a diary.
    `answer`: what is being asked. `noted_ms`: capture time of a diary's last note. `awake`: it
    is within its hours, and does not pause. `unsure`: its last answer was.
    """

    watch: Watch
    trigger: AnyTrigger | None
    most_tokens: int
    noted_ms: int | None = None
    answer: Answer | None = None
    awake: bool = True
    unsure: bool = False
    question: Question = field(init=False)
    pace: Pace = field(init=False)
    _hours: WeekHours | None = field(init=False)
    _written: State | None = field(default=None, init=False)
    _skipped_ms: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        watch = self.watch
        self.question = question_of(watch, self.most_tokens)
        self.pace = Pace(ms(watch.every), ms(watch.heartbeat) or HEARTBEAT_MS)
        self._hours = hours_of(watch.hours) if watch.HasField("hours") else None

    @property
    def phase(self) -> Phase:
        """Where its trigger is."""
        return Phase.QUIET if self.trigger is None else self.trigger.state.phase

    def wanted(self, now: datetime) -> bool:
        """Whether it is asked at this time at all."""
        return not self.watch.paused and (self._hours is None or self._hours.covers(now))

    def due(self, newest_ms: int, changes: int) -> bool:
        """Whether memory, as it is now, has something new for it."""
        if self.watch.WhichOneof("form") == "diary":
            interval = ms(self.watch.diary.interval)
            return self.noted_ms is None or newest_ms - self.noted_ms >= interval
        waiting = self.phase is Phase.HOLDING
        return self.pace.due(newest_ms, changes, waiting=waiting, unsure=self.unsure)

    def read(self, reading: Reading) -> None:
        """Note what its answer said."""
        self.unsure = bool(reading.choices) and max(reading.choices.values()) < SURE

    def skipped(self, newest_ms: int) -> bool:
        """It is due and cannot be asked now. Whether this is the first time with this frame."""
        first = self._skipped_ms != newest_ms
        self._skipped_ms = newest_ms
        return first

    def cancel(self) -> None:
        """Drop what is being asked."""
        if self.answer is not None:
            self.answer.cancel()
            self.answer = None

    def state_to_write(self) -> bytes | None:
        """What a successor must know now; None if it knows enough already.

        Of a trigger that waits for nothing only the time of its last reading is new: that is
        written now and then.
        """
        if self.trigger is None:
            return None
        state, known = self.trigger.state, self._written
        if known is not None and state.as_quiet_as(known):
            elapsed = (state.last_ms or 0) - (known.last_ms or 0)
            if elapsed < QUIET_WRITE_MS:
                return None
        return self.newer_state()

    def newer_state(self) -> bytes | None:
        """What is new since a state was last written, however little: for where one is written in
        any case. None if nothing is.
        """
        if self.trigger is None or self.trigger.state in (self._written, State()):
            return None
        self._written = self.trigger.state
        return written(self.trigger.state, self.watch)
