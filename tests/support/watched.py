"""A camera that is watched without a device: a test says what is seen, and what is answered."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from hermes.choices import ChoiceProbability
from hermes.engine import AnswerResult, CameraHandle, SessionReport
from hermes.engine.answer import Answer, AnswerSink
from hermes.errors import HermesError, Overloaded
from hermes.memory import Coverage
from hermes.question import Choices, Question
from hermes.v1.camera_pb2 import Camera
from hermes.v1.event_pb2 import Event, EventType
from hermes.v1.watch_pb2 import Watch
from services.common.event_log import EventLog
from services.common.frame_log import LogId
from services.common.leases import Fence, Lease
from services.common.metrics import Metrics
from services.common.watch_state import WatchState
from services.hermes_worker.tenure import Tenure
from services.hermes_worker.watches.cooldown import Claim
from services.hermes_worker.watches.series import Series
from services.hermes_worker.watches.watched_camera import WatchedCamera
from tests.support.in_memory_events import InMemoryEventLog, InMemoryWatchState, WatchMemory

Probabilities = Mapping[str, float]
Says = Callable[[str, int], Probabilities]
"""The probability of each choice of a question, at a capture time."""


class InMemoryCooldowns:
    """`Cooldowns` without Redis."""

    def __init__(self) -> None:
        self._last: dict[str, Claim] = {}

    def claim(self, claim: Claim, cooldown_ms: int) -> bool:
        last = self._last.get(claim.watch_id)
        if cooldown_ms and last is not None:
            unused = last.camera_id == claim.camera_id and last.at_ms != claim.sent_ms
            if not unused and abs(claim.at_ms - last.at_ms) < cooldown_ms:
                return False
        self._last[claim.watch_id] = claim
        return True


class _Asked:
    """An answer that can be cancelled."""

    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class ScriptedHandle:
    """Stands in for a `CameraHandle`. `room`: standing questions that it takes before a round
    is over. `slow`: it answers when `answer` is called.
    """

    says: Says
    room: int = 1_000_000
    max_answer_tokens: int = 256
    slow: bool = False
    asked: list[str] = field(default_factory=list)
    failure: HermesError | None = None
    _report: SessionReport = field(default_factory=lambda: SessionReport(cursor="1-0"))
    _waiting: deque[tuple[_Asked, Question, AnswerSink]] = field(default_factory=deque)

    def show(self, at_ms: int, *, changed: bool = True, gap: tuple[int, int] | None = None) -> None:
        """Memory takes in a frame."""
        seen = self._report
        gaps = seen.coverage.gaps if gap is None else (*seen.coverage.gaps, gap)
        coverage = Coverage(end_ms=at_ms, gaps=gaps)
        self._report = replace(seen, coverage=coverage, changes=seen.changes + changed)

    def report(self) -> SessionReport:
        return self._report

    def ask(self, question: Question, sink: AnswerSink, *, standing: bool) -> Answer:
        assert standing
        if self.failure is not None:
            raise self.failure
        if self.room <= 0:
            raise Overloaded("full")
        self.room -= 1
        self.asked.append(question.text)
        asked = _Asked()
        self._waiting.append((asked, question, sink))
        if not self.slow:
            self.answer()
        return cast("Answer", asked)

    def ask_standing(
        self, questions: Sequence[tuple[Question, AnswerSink]]
    ) -> list[Answer | HermesError]:
        if self.failure is not None:
            raise self.failure
        asked: list[Answer | HermesError] = []
        for question, sink in questions:
            try:
                asked.append(self.ask(question, sink, standing=True))
            except Overloaded:
                break
        return asked

    def forget(self) -> None:
        """What was asked is answered no more."""
        self._waiting.clear()

    def answer(self, as_of_ms: int | None = None) -> None:
        """Answer what was asked, of memory as it is now, or was."""
        while self._waiting:
            asked, question, sink = self._waiting.popleft()
            if asked.cancelled:
                continue
            coverage = self._report.coverage
            if as_of_ms is not None:
                coverage = replace(coverage, end_ms=as_of_ms)
            choices: Sequence[ChoiceProbability] = ()
            if isinstance(question.form, Choices):
                found = self.says(question.text, coverage.end_ms or 0)
                choices = [ChoiceProbability(text, p, 0.0, 1) for text, p in found.items()]
            else:
                sink.delta("It is dark.")
            result = AnswerResult("stop", 1, 1, coverage, 0.0, 0.0, 0.0, choices=tuple(choices))
            sink.done(result)


@dataclass
class Shared:
    """What the cameras of a fleet share."""

    log: InMemoryEventLog = field(default_factory=InMemoryEventLog)
    cooldowns: InMemoryCooldowns = field(default_factory=InMemoryCooldowns)
    metrics: Metrics = field(default_factory=Metrics)


class WatchRig:
    """What outlives the owners of one camera's watches, and the owners."""

    def __init__(
        self,
        says: Says,
        watches: Sequence[Watch],
        camera_id: str = "lobby",
        sentence: str = "",
        shared: Shared | None = None,
    ) -> None:
        shared = shared or Shared()
        self.camera = Camera(id=camera_id)
        self.memory = WatchMemory()
        self.log = shared.log
        self.cooldowns = shared.cooldowns
        self.handle = ScriptedHandle(says)
        self.watches: Mapping[str, Watch] = {watch.id: watch for watch in watches}
        self.now_ms = 0
        self._sentence = sentence
        self._work: deque[Callable[[], None]] = deque()
        self._epochs = itertools.count(1)
        self._metrics = shared.metrics
        self._series = Series(self._metrics)
        self.take()

    def take(
        self, state_of: Callable[[WatchMemory, Lease, EventLog], WatchState] = InMemoryWatchState
    ) -> None:
        """A new worker becomes the owner; its memory is as the former one's."""
        camera_id, epoch = self.camera.id, next(self._epochs)
        lease = Lease(camera_id, "worker", Fence(f"worker-{epoch}", epoch))
        self.memory.owners[camera_id] = lease
        self._work.clear()
        self.handle.forget()
        tenure = Tenure(self.camera, cast("CameraHandle", self.handle), lease)
        tenure.aim(LogId(0, 0), lease)
        tenure.progress()
        assert tenure.serving
        self.owner = WatchedCamera(
            tenure,
            lease,
            state_of(self.memory, lease, self.log),
            self.cooldowns,
            self._series,
            self._work.append,
            model="demo",
            sentence=self._sentence,
            wall_clock=lambda: self.now_ms / 1000,
        )

    def change(self, *watches: Watch) -> None:
        """These are registered instead."""
        self.watches = {watch.id: watch for watch in watches}

    def take_answers(self) -> None:
        """Have the watches' thread do what is posted."""
        while self._work:
            self._work.popleft()()

    def counted(self, outcome: str) -> float:
        """How many evaluations of all watches had this outcome."""
        (family,) = self._metrics.watch_evaluations.collect()
        return sum(
            (
                sample.value
                for sample in family.samples
                if sample.name.endswith("_total") and sample.labels["outcome"] == outcome
            ),
            0.0,
        )

    def round(self) -> bool:
        """Take what was answered, and ask."""
        self.take_answers()
        return self.owner.round(self.camera, self.watches)

    def show(self, second: int, *, changed: bool = True) -> None:
        """A frame comes, and everything that follows from it happens."""
        self.now_ms = second * 1000
        self.handle.show(self.now_ms, changed=changed)
        self.round()
        self.round()

    def told(self) -> list[str]:
        """The messages in the log: type and second."""
        return [_told(event) for event in self.log.messages]


def _told(event: Event) -> str:
    kind = EventType.Name(event.type).removeprefix("EVENT_TYPE_").lower()
    stamp = event.closed if event.HasField("closed") else event.opened
    return f"{kind} {stamp.ToMilliseconds() // 1000}"
