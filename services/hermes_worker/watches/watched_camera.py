"""The watches of one camera, for one tenure."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import redis

from hermes.engine import Answer, AnswerResult, SessionReport
from hermes.errors import HermesError, Overloaded
from hermes.question import Question
from hermes.v1.camera_pb2 import Camera
from hermes.v1.event_pb2 import Event
from hermes.v1.watch_pb2 import Watch
from services.common import logs
from services.common.frame_log import Fenced
from services.common.leases import Lease
from services.common.watch_rules import hours_of
from services.common.watch_state import OutboxFull, WatchState
from services.hermes_worker.tenure import Tenure
from services.hermes_worker.watches.asking import NoReading, question_of, reading_of
from services.hermes_worker.watches.conditions import Reading
from services.hermes_worker.watches.cooldown import Cooldowns
from services.hermes_worker.watches.messages import Of, Picture
from services.hermes_worker.watches.pace import HEARTBEAT_MS, Pace
from services.hermes_worker.watches.rules import AnyTrigger, ms, trigger_of
from services.hermes_worker.watches.series import Series
from services.hermes_worker.watches.trigger import Closed, End, Opened, Phase, State, Step
from services.hermes_worker.watches.written import read, written

log = logs.get(__name__)

CLOSING = 3
"""The number of an event's last message: it is opened, said in words, and closed."""
UPDATING = 2
QUIET_WRITE_MS = 5_000
"""The state of a trigger that waits for nothing is written down this often."""

Post = Callable[[Callable[[], None]], None]
"""Has the watches' thread do something."""


@dataclass(slots=True)
class _Watched:
    """One watch: its trigger, when it is asked, and what is being asked."""

    watch: Watch
    trigger: AnyTrigger | None
    pace: Pace
    answer: Answer | None = None
    asked_at: float = 0.0
    noted_ms: int | None = None
    written_ms: int = 0
    awake: bool = False
    """Whether it is within its hours, and does not pause."""


class WatchedCamera:
    """Asks a camera's watches, and hands on the events that follow. For one thread.

    What triggers remember is written with the messages that follow from it, under the
    lease, so that a successor goes on where we were.
    """

    def __init__(
        self,
        tenure: Tenure,
        lease: Lease,
        state: WatchState,
        cooldowns: Cooldowns,
        series: Series,
        post: Post,
        *,
        model: str,
        sentence: str,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`sentence`: what is asked when an event opens, to say it in words; "" asks nothing."""
        self.tenure = tenure
        self.lease = lease
        self._camera = tenure.camera
        self._state = state
        self._cooldowns = cooldowns
        self._series = series
        self._post = post
        self._model = model
        self._sentence = sentence
        self._wall_clock = wall_clock
        self._watched: dict[str, _Watched] = {}
        self._left: dict[str, bytes] | None = None  # states that former owners wrote
        self._states: dict[str, bytes | None] = {}  # not yet written, with their messages
        self._events: list[Event] = []

    def round(self, camera: Camera, watches: Mapping[str, Watch]) -> None:
        """Follow what is registered, hand on what was found, and ask what is due.

        Raises `Fenced` once the camera is another worker's, and `redis.RedisError`.
        """
        self._camera = camera
        if self._left is None:
            self._left = self._state.read()
        self._follow(watches)
        self._hand_on()
        self._ask(self.tenure.handle.report())

    def stop(self) -> None:
        """Drop what is being asked. Events stay open: a successor goes on."""
        for watched in self._watched.values():
            if watched.answer is not None:
                watched.answer.cancel()
            self._series.forget(watched.watch.id, self._camera.id)
        self._watched.clear()

    # -- what is registered ----------------------------------------------------

    def _follow(self, watches: Mapping[str, Watch]) -> None:
        assert self._left is not None
        for watch_id in [*self._watched, *self._left]:
            if watch_id not in watches:
                self._end(watch_id)
        for watch in watches.values():
            known = self._watched.get(watch.id)
            if known is not None and known.watch.version != watch.version:
                self._end(watch.id)
                known = None
            if known is None:
                self._begin(watch)

    def _begin(self, watch: Watch) -> None:
        assert self._left is not None
        state = State()
        found = self._left.pop(watch.id, None)
        known = None if found is None else read(found)
        if known is not None:
            if known[1] == watch.version:
                state = known[0]
            else:
                self._close_left(watch, known[0])
                self._states[watch.id] = None
        trigger = trigger_of(watch, state, lambda: uuid.uuid4().hex)
        pace = Pace(ms(watch.every), ms(watch.heartbeat) or HEARTBEAT_MS)
        self._watched[watch.id] = _Watched(watch, trigger, pace, noted_ms=state.sent_ms)

    def _end(self, watch_id: str) -> None:
        """The watch is gone, changed, or no longer one of this camera's."""
        assert self._left is not None
        watched, left = self._watched.pop(watch_id, None), self._left.pop(watch_id, None)
        if watched is not None:
            if watched.answer is not None:
                watched.answer.cancel()
            if watched.trigger is not None:
                self._told(watched, watched.trigger.close(End.WATCH))
            self._series.forget(watch_id, self._camera.id)
        elif left is not None and (known := read(left)) is not None:
            self._close_left(Watch(id=watch_id), known[0])
        self._states[watch_id] = None

    def _close_left(self, watch: Watch, state: State) -> None:
        """Close an event that a former owner opened for an earlier version of the watch."""
        if state.phase is Phase.OPEN and state.last_ms is not None:
            value = state.peak
            step = Closed(
                state.event_id, state.since_ms, state.last_ms, value, state.peak, End.WATCH
            )
            self._events.append(self._of(watch).closed(step, CLOSING, self._now_ms()))

    # -- asking ------------------------------------------------------------------

    def _ask(self, report: SessionReport) -> None:
        newest_ms = report.coverage.end_ms
        if newest_ms is None or self._events or not self.tenure.serving:
            return
        now = datetime.fromtimestamp(self._wall_clock(), UTC)
        for watched in list(self._watched.values()):
            if not self._wanted(watched, now):
                continue
            waits = watched.trigger is not None and watched.trigger.state.phase is Phase.HOLDING
            if not self._due(watched, newest_ms, report.changes, waits):
                continue
            if watched.answer is not None:
                self._series.skipped(watched.watch.id)  # the one before is not answered yet
                watched.pace.asked(newest_ms, report.changes)
                continue
            try:
                watched.answer = self.tenure.handle.ask(
                    question_of(watched.watch), _Sink(self, watched), standing=True
                )
            except Overloaded:
                self._series.skipped(watched.watch.id)
            except HermesError as error:
                self._failed(watched, error)
            watched.pace.asked(newest_ms, report.changes)

    def _wanted(self, watched: _Watched, now: datetime) -> bool:
        """Whether it is asked at all now. Outside its hours, and while it pauses, it is not."""
        watch = watched.watch
        if not watch.paused and (not watch.HasField("hours") or hours_of(watch.hours).covers(now)):
            watched.awake = True
            return True
        if watched.awake:
            watched.awake = False
            self._series.forget(watch.id, self._camera.id)  # what it found last holds no longer
        if watched.trigger is not None and watched.trigger.state.phase is not Phase.QUIET:
            self._told(watched, watched.trigger.close(End.WATCH))
            watched.trigger.state = replace(watched.trigger.state, phase=Phase.QUIET, held_ms=0)
            self._note_state(watched)
            self._hand_on()
        return False

    def _due(self, watched: _Watched, newest_ms: int, changes: int, waits: bool) -> bool:
        if watched.watch.WhichOneof("form") == "diary":
            noted, interval = watched.noted_ms, ms(watched.watch.diary.interval)
            return watched.answer is None and (noted is None or newest_ms - noted >= interval)
        return watched.pace.due(newest_ms, changes, waiting=waits)

    # -- what came of it -----------------------------------------------------------

    def answered(self, watched: _Watched, text: str, result: AnswerResult) -> None:
        """A watch was answered."""
        watched.answer = None
        if self._watched.get(watched.watch.id) is not watched or not watched.awake:
            return  # it has changed, or its hours have ended, meanwhile
        if watched.watch.WhichOneof("form") == "diary":
            self._noted(watched, text, result)
            return
        assert watched.trigger is not None
        try:
            reading = reading_of(watched.watch, text, result, watched.trigger.state.last_ms)
        except NoReading as why:
            self._series.useless(watched.watch.id)
            log.info("watch_without_reading", watch=watched.watch.id, why=str(why))
            return
        self._series.read(watched.watch, self._camera.id, reading, self._lag_s(reading.at_ms))
        before = watched.trigger.state.phase
        steps = watched.trigger.step(reading, lambda at_ms: self._may_open(watched.watch, at_ms))
        after = watched.trigger.state.phase
        self._series.judged(watched.watch.id, self._camera.id, after is Phase.OPEN)
        idle = before is Phase.QUIET and after is Phase.QUIET and not steps
        if not idle or reading.at_ms - watched.written_ms >= QUIET_WRITE_MS:
            watched.written_ms = reading.at_ms
            self._note_state(watched)
        self._told(watched, steps, reading)
        self._hand_on()

    def _noted(self, watched: _Watched, text: str, result: AnswerResult) -> None:
        at_ms = result.coverage.end_ms or 0
        watched.noted_ms = at_ms
        self._states[watched.watch.id] = written(State(sent_ms=at_ms), watched.watch.version)
        note = self._of(watched.watch).note(uuid.uuid4().hex, text.strip(), at_ms, self._now_ms())
        self._events.append(note)
        self._series.noted(watched.watch, self._lag_s(at_ms))
        self._hand_on()

    def failed(self, watched: _Watched, error: HermesError) -> None:
        """A watch could not be answered."""
        watched.answer = None
        self._failed(watched, error)

    def _failed(self, watched: _Watched, error: HermesError) -> None:
        self._series.failed(watched.watch.id)
        log.info(
            "watch_not_answered",
            watch=watched.watch.id,
            camera=self._camera.id,
            error=str(error),
        )

    def said(self, opened: Event, sentence: str) -> None:
        """The model has said in words what is to be seen."""
        watched = self._watched.get(opened.watch_id)
        state = None if watched is None or watched.trigger is None else watched.trigger.state
        if state is None or state.event_id != opened.id or not sentence:
            return  # it is closed already
        of = self._of(watched.watch) if watched is not None else None
        if of is not None:
            self._events.append(of.updated(opened, sentence, UPDATING))
        self._hand_on()

    def _may_open(self, watch: Watch, at_ms: int) -> bool:
        try:
            return self._cooldowns.claim(watch.id, at_ms, ms(watch.trigger.cooldown_overall))
        except redis.RedisError:
            return False  # with the next reading, if its condition still holds

    def _told(
        self, watched: _Watched, steps: Iterable[Step], reading: Reading | None = None
    ) -> None:
        of, now_ms = self._of(watched.watch), self._now_ms()
        for step in steps:
            if isinstance(step, Opened):
                event = of.opened(step, self._pictures(step, reading), now_ms)
                self._events.append(event)
                self._series.opened(watched.watch)
                self._describe(event)
            else:
                self._events.append(of.closed(step, CLOSING, now_ms))
                self._series.closed(watched.watch)

    def _describe(self, event: Event) -> None:
        if not self._sentence:
            return
        try:
            self.tenure.handle.ask(Question(self._sentence), _Words(self, event), standing=True)
        except HermesError as error:
            log.info("event_not_described", watch=event.watch_id, error=str(error))

    def _pictures(self, step: Opened, reading: Reading | None) -> list[Picture]:
        """The frame with which the condition began, and the newest that was seen."""
        wanted = {step.since_ms, step.at_ms if reading is None else reading.at_ms}
        kept = self.tenure.pictures
        return [
            Picture(frame.number, frame.capture_ms, frame.media_ms, kept.get(frame.number) or b"")
            for frame in kept.frames()
            if frame.capture_ms in wanted
        ]

    # -- writing it down -------------------------------------------------------------

    def _note_state(self, watched: _Watched) -> None:
        if watched.trigger is not None:
            state = written(watched.trigger.state, watched.watch.version)
            self._states[watched.watch.id] = state

    def _hand_on(self) -> None:
        """Write what is not written yet. What fails is written again with the next round."""
        if self._states or self._events:
            try:
                self._state.write(self._states, self._events)
            except OutboxFull:
                log.warning("event_log_full", camera=self._camera.id)
                return
            self._states, self._events = {}, []
        self._state.publish()

    def _of(self, watch: Watch) -> Of:
        return Of(watch, self._camera, self.lease.epoch, self._model)

    def _now_ms(self) -> int:
        return round(self._wall_clock() * 1000)

    def _lag_s(self, at_ms: int) -> float:
        return max(0.0, self._wall_clock() - at_ms / 1000)

    def post(self, work: Callable[[], None]) -> None:
        """Do something on the watches' thread. Redis's faults end a round, no thread."""
        self._post(lambda: self._guarded(work))

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (Fenced, redis.RedisError) as error:
            log.info("watch_not_written", camera=self._camera.id, error=str(error))


class _Sink:
    """Collects the answer to a watch, on the device's thread."""

    def __init__(self, camera: WatchedCamera, watched: _Watched) -> None:
        self._camera = camera
        self._watched = watched
        self._text = ""

    def delta(self, text: str) -> None:
        self._text += text

    def done(self, result: AnswerResult) -> None:
        text = self._text
        self._camera.post(lambda: self._camera.answered(self._watched, text, result))

    def failed(self, error: HermesError) -> None:
        self._camera.post(lambda: self._camera.failed(self._watched, error))


class _Words:
    """Collects a sentence about an event."""

    def __init__(self, camera: WatchedCamera, event: Event) -> None:
        self._camera = camera
        self._event = event
        self._text = ""

    def delta(self, text: str) -> None:
        self._text += text

    def done(self, result: AnswerResult) -> None:
        text = self._text.strip()
        self._camera.post(lambda: self._camera.said(self._event, text))

    def failed(self, error: HermesError) -> None:
        log.info("event_not_described", watch=self._event.watch_id, error=str(error))
