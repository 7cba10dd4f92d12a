"""The watches of one camera, for one tenure."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import redis

from hermes.engine import AnswerResult, SessionReport
from hermes.errors import HermesError
from hermes.question import Question
from hermes.v1.camera_pb2 import Camera
from hermes.v1.event_pb2 import Event
from hermes.v1.watch_pb2 import Watch
from services.common import logs
from services.common.leases import Lease
from services.common.watch_state import OutboxFull, WatchState
from services.hermes_worker.tenure import Tenure
from services.hermes_worker.watches.asking import NoReading, reading_of
from services.hermes_worker.watches.change_trigger import ChangeTrigger
from services.hermes_worker.watches.conditions import Reading
from services.hermes_worker.watches.cooldown import Claim, Cooldowns
from services.hermes_worker.watches.messages import Of, Picture
from services.hermes_worker.watches.rules import ms, trigger_of
from services.hermes_worker.watches.series import Series
from services.hermes_worker.watches.trigger import Closed, End, Opened, Phase, State, Step
from services.hermes_worker.watches.watched import Watched
from services.hermes_worker.watches.whole_answer import Post, WholeAnswer
from services.hermes_worker.watches.written import Remembered, read, written

log = logs.get(__name__)

CLOSING = 3
"""The number of an event's last message: it is opened, said in words, and closed."""
UPDATING = 2


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
        self._watched: dict[str, Watched] = {}
        self._watches: Mapping[str, Watch] | None = None  # that were followed last
        self._left: dict[str, bytes] | None = None  # states that former owners wrote
        self._states: dict[str, bytes | None] = {}  # not yet written, with their messages
        self._events: list[Event] = []
        self._asked: tuple[int, int, int] | None = None  # what all watches were asked of
        self._handed_on = self._full = self._over = False

    def round(self, camera: Camera, watches: Mapping[str, Watch]) -> bool:
        """Follow what is registered, hand on what was found, and ask what is due.

        The same mapping of watches means that nothing has changed. Returns False if the device
        has no room for more standing questions. Raises `Fenced` once the camera is another
        worker's, and `redis.RedisError`.
        """
        if self._over:
            return True
        self._camera = camera
        if self._left is None:
            self._left = self._state.read()
        if watches is not self._watches:
            self._follow(watches)
            self._watches, self._asked = watches, None
        self._hand_on()
        return self._ask(self.tenure.handle.report())

    def leave(self) -> None:
        """Ask no more, and hand on what was found. Events stay open: a successor goes on.

        Raises `Fenced` and `redis.RedisError`; it asks no more in any case.
        """
        self.stop()
        if self._states or self._events:
            self._hand_on()

    def stop(self) -> None:
        """Ask no more, and drop what is being asked. Later rounds do nothing."""
        self._over = True
        for watched in self._watched.values():
            watched.cancel()
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
            if known.version == watch.version:
                state = known.state
            else:
                self._close_left(known, watch)
                self._states[watch.id] = None
        trigger = trigger_of(watch, state, lambda: uuid.uuid4().hex)
        most_tokens = self.tenure.handle.max_answer_tokens
        self._watched[watch.id] = Watched(watch, trigger, most_tokens, noted_ms=state.sent_ms)

    def _end(self, watch_id: str) -> None:
        """The watch is gone, changed, or no longer one of this camera's."""
        assert self._left is not None
        watched, left = self._watched.pop(watch_id, None), self._left.pop(watch_id, None)
        if watched is not None:
            watched.cancel()
            if watched.trigger is not None:
                self._told(watched, watched.trigger.close(End.WATCH))
            self._series.forget(watch_id, self._camera.id)
        elif left is not None and (known := read(left)) is not None:
            self._close_left(known, Watch(id=watch_id))
        self._states[watch_id] = None

    def _close_left(self, known: Remembered, watch: Watch) -> None:
        """Close an event that a former owner opened for an earlier version of the watch."""
        state = known.state
        if state.phase is Phase.OPEN and state.last_ms is not None:
            step = Closed(
                state.event_id, state.since_ms, state.last_ms, state.peak, state.peak, End.WATCH
            )
            self._events.append(
                self._of(known.watch or watch).closed(step, CLOSING, self._now_ms())
            )

    # -- asking ------------------------------------------------------------------

    def _ask(self, report: SessionReport) -> bool:
        newest_ms, wall_s = report.coverage.end_ms, self._wall_clock()
        if newest_ms is None or self._events or not self.tenure.serving:
            return True
        seen = (newest_ms, report.changes, int(wall_s))  # hours begin and end with a second
        if seen == self._asked:
            return True
        now = datetime.fromtimestamp(wall_s, UTC)
        due: list[Watched] = []
        left: list[Watched] = []
        for watched in self._watched.values():
            if not watched.wanted(now):
                self._pause(watched)
                continue
            watched.awake = True
            if watched.due(newest_ms, report.changes):
                (due if watched.answer is None else left).append(watched)
        asked = self._ask_all(due)
        for watched in due[:asked]:
            watched.pace.asked(newest_ms, report.changes)
        for watched in [*left, *due[asked:]]:  # it stays due, and is asked about the newest frame
            if watched.skipped(newest_ms):
                self._series.skipped(watched.watch.id)
        self._asked = seen if asked == len(due) and not left else None
        self._hand_on()
        return asked == len(due)

    def _ask_all(self, due: Sequence[Watched]) -> int:
        """Ask these watches at once, so that the camera is read once. For how many there was room:
        for the first so many.
        """
        if not due:
            return 0
        try:
            found = self.tenure.handle.ask_standing(
                [(watched.question, self._sink_of(watched)) for watched in due]
            )
        except HermesError as error:
            for watched in due:
                self._failed(watched, error)
            return len(due)
        for watched, one in zip(due, found, strict=False):
            if isinstance(one, HermesError):
                self._failed(watched, one)
            else:
                watched.answer = one
        return len(found)

    def _sink_of(self, watched: Watched) -> WholeAnswer:
        return WholeAnswer(
            self._post_guarded,
            lambda text, result: self._answered(watched, text, result),
            lambda error: self._failed(watched, error),
        )

    def _pause(self, watched: Watched) -> None:
        """It is not asked now: it pauses, or these are none of its hours."""
        watched.cancel()
        if watched.awake:
            watched.awake = False
            self._series.forget(watched.watch.id, self._camera.id)  # what it found holds no longer
        if watched.trigger is not None and watched.phase is not Phase.QUIET:
            self._told(watched, watched.trigger.close(End.WATCH))
            watched.trigger.state = replace(watched.trigger.state, phase=Phase.QUIET, held_ms=0)
            self._note_state(watched)

    # -- what came of it -----------------------------------------------------------

    def _answered(self, watched: Watched, text: str, result: AnswerResult) -> None:
        if self._watched.get(watched.watch.id) is not watched or watched.answer is None:
            return  # it has changed meanwhile, or pauses
        watched.answer = None
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
        report = self.tenure.handle.report()
        if (
            reading.at_ms == report.coverage.end_ms
        ):  # it waited, and saw newer frames than it was for
            watched.pace.asked(reading.at_ms, report.changes)
        watched.read(reading)
        self._series.read(watched.watch, self._camera.id, reading, self._lag_s(reading.at_ms))
        steps = watched.trigger.step(reading, lambda at_ms: self._may_open(watched, at_ms))
        self._series.judged(watched.watch.id, self._camera.id, watched.phase is Phase.OPEN)
        self._note_state(watched)
        self._told(watched, steps, reading)

    def _noted(self, watched: Watched, text: str, result: AnswerResult) -> None:
        at_ms = result.coverage.end_ms or 0
        watched.noted_ms = at_ms
        self._states[watched.watch.id] = written(State(sent_ms=at_ms), watched.watch)
        note = self._of(watched.watch).note(uuid.uuid4().hex, text.strip(), at_ms, self._now_ms())
        self._events.append(note)
        self._series.noted(watched.watch, self._lag_s(at_ms))

    def _failed(self, watched: Watched, error: HermesError) -> None:
        if self._watched.get(watched.watch.id) is not watched:
            return  # it has changed meanwhile
        watched.answer = None
        self._series.failed(watched.watch.id)
        log.info(
            "watch_not_answered",
            watch=watched.watch.id,
            camera=self._camera.id,
            error=str(error),
        )

    def _said(self, opened: Event, sentence: str) -> None:
        watched = self._watched.get(opened.watch_id)
        if watched is None or watched.trigger is None or not sentence:
            return
        changes = isinstance(watched.trigger, ChangeTrigger)  # its events are over at once
        if changes or watched.trigger.state.event_id == opened.id:
            self._events.append(self._of(watched.watch).updated(opened, sentence, UPDATING))

    def _may_open(self, watched: Watched, at_ms: int) -> bool:
        assert watched.trigger is not None
        cooldown_ms = ms(watched.watch.trigger.cooldown_overall)
        claim = Claim(watched.watch.id, self._camera.id, at_ms, watched.trigger.state.sent_ms)
        try:
            return self._cooldowns.claim(claim, cooldown_ms)
        except redis.RedisError:
            return False  # with the next reading, if its condition still holds

    def _told(
        self, watched: Watched, steps: Iterable[Step], reading: Reading | None = None
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
        sink = WholeAnswer(
            self._post_guarded,
            lambda text, result: self._said(event, text.strip()),
            lambda error: self._not_described(event, error),
        )
        try:
            self.tenure.handle.ask(Question(self._sentence), sink, standing=True)
        except HermesError as error:
            self._not_described(event, error)

    def _not_described(self, event: Event, error: HermesError) -> None:
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

    def _note_state(self, watched: Watched) -> None:
        if (state := watched.state_to_write()) is not None:
            self._states[watched.watch.id] = state

    def _hand_on(self) -> None:
        """Write what is not written yet. What fails is written again with the next round."""
        if self._states or self._events:
            self._handed_on = False
            for watch_id, watched in self._watched.items():  # one script for all of them
                if watch_id not in self._states and (state := watched.newer_state()) is not None:
                    self._states[watch_id] = state
            try:
                self._state.write(self._states, self._events)
            except OutboxFull:
                if not self._full:
                    log.warning("event_log_full", camera=self._camera.id)
                self._full = True
            else:
                self._states, self._events, self._full = {}, [], False
        if not self._handed_on:
            self._state.publish()  # a full outbox has room then
            self._handed_on = not (self._states or self._events)

    def _of(self, watch: Watch) -> Of:
        return Of(watch, self._camera, self.lease.epoch, self._model)

    def _now_ms(self) -> int:
        return round(self._wall_clock() * 1000)

    def _lag_s(self, at_ms: int) -> float:
        return max(0.0, self._wall_clock() - at_ms / 1000)

    def _post_guarded(self, work: Callable[[], None]) -> None:
        self._post(lambda: self._guarded(work))

    def _guarded(self, work: Callable[[], None]) -> None:
        """One camera's fault is not another's."""
        try:
            work()
        except Exception:
            log.exception("watch_failed", camera=self._camera.id)
