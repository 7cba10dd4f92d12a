"""The watches of a camera in their hours: what is shown of them, and what is not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from hermes.choices import ChoiceProbability
from hermes.engine import AnswerResult
from hermes.memory import Coverage
from hermes.v1.camera_pb2 import Camera
from hermes.v1.event_pb2 import EVENT_TYPE_CLOSED, EVENT_TYPE_OPENED
from hermes.v1.watch_pb2 import Hours, HoursOfDays, Watch
from services.common.leases import Fence, Lease
from services.common.metrics import Metrics
from services.hermes_worker.tenure import Tenure
from services.hermes_worker.watches.series import Series
from services.hermes_worker.watches.watched_camera import WatchedCamera
from tests.support.in_memory_events import InMemoryEventLog, InMemoryWatchState, WatchMemory
from tests.support.watches import yes_no

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)  # a Monday
UNTIL_ONE = Hours(
    time_zone="UTC", spans=[HoursOfDays(days=[1], start_minute=0, end_minute=13 * 60)]
)
SERIES = ("hermes_watch_probability", "hermes_watch_evaluated_timestamp_seconds")


class WatchedLobby:
    """A camera whose frames come by the second, and whose questions the test answers."""

    max_answer_tokens = 256

    def __init__(self, watch: Watch) -> None:
        self.now = NOON
        self.metrics = Metrics()
        self.log = InMemoryEventLog()
        self.asked: list[Any] = []
        self._watch = watch
        memory, lease = WatchMemory(), Lease("lobby", "worker", Fence("worker-1", 1))
        memory.owners["lobby"] = lease
        tenure = SimpleNamespace(
            camera=Camera(id="lobby"),
            handle=self,
            serving=True,
            pictures=SimpleNamespace(frames=tuple, get=lambda number: None),
        )
        self._watched = WatchedCamera(
            cast(Tenure, tenure),
            lease,
            InMemoryWatchState(memory, lease, self.log),
            SimpleNamespace(claim=lambda *_: True),
            Series(self.metrics),
            lambda work: work(),
            model="demo",
            sentence="",
            wall_clock=lambda: self.now.timestamp(),
        )

    def report(self) -> Any:
        """The memory has just taken in a frame that changed something."""
        seconds = int(self.now.timestamp())
        return SimpleNamespace(coverage=Coverage(end_ms=seconds * 1000), changes=seconds)

    def ask_standing(self, questions: Any) -> Any:
        """Keep the questions' sinks until the test answers."""
        self.asked += [sink for _, sink in questions]
        return [SimpleNamespace(cancel=lambda: None) for _ in questions]

    def round(self, after: timedelta = timedelta(seconds=1)) -> None:
        """A frame comes, and the watch is asked if it is due."""
        self.now += after
        self._watched.round(Camera(id="lobby"), {self._watch.id: self._watch})

    def answer(self, probability: float) -> None:
        """The device answers the oldest question."""
        choices = (
            ChoiceProbability("yes", probability, 0.0, 1),
            ChoiceProbability("no", 1 - probability, 0.0, 1),
        )
        coverage = Coverage(end_ms=int(self.now.timestamp()) * 1000)
        result = SimpleNamespace(coverage=coverage, choices=choices)
        self.asked.pop(0).done(cast(AnswerResult, result))

    def shown(self) -> list[float | None]:
        """The watch's series."""
        labels = {"watch": "fall", "camera": "lobby"}
        get: Callable[..., float | None] = self.metrics.registry.get_sample_value
        return [get(name, labels) for name in (*SERIES, "hermes_watch_open")]


def test_a_watch_outside_its_hours_has_no_series() -> None:
    """Else its last evaluation would only grow old, and an alert would say that it is not asked."""
    camera = WatchedLobby(yes_no(hours=UNTIL_ONE))
    camera.round()
    camera.answer(0.9)
    probability, evaluated, is_open = camera.shown()
    assert (probability, is_open) == (0.9, 1.0)
    assert evaluated is not None
    camera.round(timedelta(hours=1))
    assert camera.shown() == [None, None, None]
    assert [event.type for event in camera.log.messages] == [EVENT_TYPE_OPENED, EVENT_TYPE_CLOSED]
    camera.round(timedelta(days=7, hours=-1))
    camera.answer(0.1)
    assert camera.shown()[0] == 0.1


def test_an_answer_that_comes_after_the_hours_opens_nothing() -> None:
    camera = WatchedLobby(yes_no(hours=UNTIL_ONE))
    camera.round()
    camera.round(timedelta(hours=1))
    camera.answer(0.9)
    assert camera.shown() == [None, None, None]
    assert camera.log.messages == []
    camera.round(timedelta(days=7, hours=-1))
    camera.answer(0.9)
    camera.round()
    assert [event.type for event in camera.log.messages] == [EVENT_TYPE_OPENED]
