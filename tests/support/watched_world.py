"""Hours of many cameras and their watches, without a device: what happens is known."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hermes.v1.event_pb2 import EVENT_TYPE_CLOSED, EVENT_TYPE_OPENED, Event
from hermes.v1.watch_pb2 import Watch
from services.common.event_log import Appended, EventLog
from services.common.leases import Lease
from tests.support.in_memory_events import InMemoryEventLog, InMemoryWatchState, WatchMemory
from tests.support.watched import Probabilities, Shared, WatchRig

StateOf = Callable[[WatchMemory, Lease, EventLog], InMemoryWatchState]

LEAST_QUIET_S, LEAST_EVENT_S = 60, 30
OTHER_CHANGE = 0.05
"""Chance that a frame changes something that no watch is about."""


@dataclass(frozen=True, slots=True)
class Sureness:
    """How sure the model is of what is so: the log-odds of its probability are drawn from a normal
    distribution, anew when a picture changes.
    """

    mean: float
    deviation: float


@dataclass(frozen=True, slots=True)
class Happening:
    """It begins with one second's frame, and is over with another's."""

    watch_id: str
    camera_id: str
    begin: int
    end: int


class CameraStory:
    """What happens before one camera, and what the model finds: the same each time it is asked."""

    def __init__(
        self, camera_id: str, watches: Sequence[str], seconds: int, sure: Sureness, seed: int
    ) -> None:
        rng = random.Random(f"{seed}-{camera_id}")
        self.camera_id = camera_id
        self.seconds = seconds
        self.happenings = [
            happening
            for watch_id in watches
            for happening in _happenings(rng, watch_id, camera_id, seconds)
        ]
        edges = {edge for one in self.happenings for edge in (one.begin, one.end)}
        self.changed = [n in edges or rng.random() < OTHER_CHANGE for n in range(seconds)]
        self._found = {watch_id: [0.0] * seconds for watch_id in watches}
        so = {watch_id: [False] * seconds for watch_id in watches}
        for one in self.happenings:
            so[one.watch_id][one.begin : one.end] = [True] * (one.end - one.begin)
        for watch_id in watches:
            found = self._found[watch_id]
            for second in range(seconds):
                if second == 0 or self.changed[second]:
                    odds = rng.gauss(sure.mean, sure.deviation)
                    sign = 1 if so[watch_id][second] else -1
                    value = 1 / (1 + math.exp(-sign * odds))
                found[second] = value

    def says(self, text: str, at_ms: int) -> Probabilities:
        """What the model finds. The text of a watch is its id."""
        yes = self._found[text][at_ms // 1000]
        return {"yes": yes, "no": 1 - yes}


def _happenings(
    rng: random.Random, watch_id: str, camera_id: str, seconds: int
) -> Iterator[Happening]:
    at = 0
    while True:
        begin = at + LEAST_QUIET_S + int(rng.expovariate(1 / 500))
        at = begin + LEAST_EVENT_S + int(rng.expovariate(1 / 90))
        if at + LEAST_QUIET_S >= seconds:
            return
        yield Happening(watch_id, camera_id, begin, at)


@dataclass(frozen=True, slots=True)
class Told:
    """An event as the log tells it, in seconds: since when, when it was sent, when it closed."""

    watch_id: str
    camera_id: str
    since: int
    sent: int
    closed: int | None


class Ends(Exception):
    """The owner's process ends at this point."""


class Fate:
    """When owners end: before any step, with a chance."""

    def __init__(self, chance: float, seed: int) -> None:
        self.ends = 0
        self._chance = chance
        self._rng = random.Random(seed)

    def step(self) -> None:
        """Raises `Ends` now and then."""
        if self._chance and self._rng.random() < self._chance:
            self.ends += 1
            raise Ends


class FatedState(InMemoryWatchState):
    """An owner ends before or after it writes, and before or after a message is in the log."""

    def __init__(self, fate: Fate, memory: WatchMemory, lease: Lease, log: EventLog) -> None:
        super().__init__(memory, lease, FatedLog(fate, log))
        self._fate = fate

    def read(self) -> dict[str, bytes]:
        self._fate.step()
        return super().read()

    def write(self, states: Mapping[str, bytes | None], events: Sequence[Event] = ()) -> None:
        if states or events:
            self._fate.step()
            super().write(states, events)
            self._fate.step()


class FatedLog:
    """An `EventLog` for `FatedState`."""

    def __init__(self, fate: Fate, log: EventLog) -> None:
        self._fate = fate
        self._log = log

    def append(self, event: Event) -> Appended:
        self._fate.step()
        appended = self._log.append(event)
        self._fate.step()
        return appended


class TimedLog(InMemoryEventLog):
    """Notes in which second each message came."""

    def __init__(self) -> None:
        super().__init__()
        self.second = 0
        self.seconds: list[int] = []

    def append(self, event: Event) -> Appended:
        appended = super().append(event)
        self.seconds += [self.second] * (len(self.messages) - len(self.seconds))
        return appended


def played(stories: Sequence[CameraStory], watches: Sequence[Watch], fate: Fate) -> list[Told]:
    """The events of all that happened. An owner that ends has a successor at once."""
    log = TimedLog()
    shared = Shared(log)

    def state_of(memory: WatchMemory, lease: Lease, events: EventLog) -> InMemoryWatchState:
        return FatedState(fate, memory, lease, events)

    rigs = [WatchRig(story.says, watches, story.camera_id, shared=shared) for story in stories]
    for rig in rigs:
        rig.take(state_of)
    for second in range(stories[0].seconds):
        log.second = second
        for rig, story in zip(rigs, stories, strict=True):
            rig.now_ms = second * 1000
            rig.handle.show(rig.now_ms, changed=story.changed[second])
            _settled(rig, state_of)
    return _told(log)


def _told(log: TimedLog) -> list[Told]:
    """Raises `AssertionError` if an event opens or closes twice, or closes unopened."""
    opened: dict[str, tuple[int, Event]] = {}
    told: list[Told] = []
    over: set[str] = set()
    for second, event in zip(log.seconds, log.messages, strict=True):
        if event.type == EVENT_TYPE_OPENED:
            assert event.id not in opened
            opened[event.id] = second, event
        elif event.type == EVENT_TYPE_CLOSED:
            assert event.id in opened
            assert event.id not in over
            over.add(event.id)
            told.append(_one(*opened[event.id], second))
    told += [_one(*one, None) for id, one in opened.items() if id not in over]
    return sorted(told, key=lambda one: (one.sent, one.camera_id, one.watch_id))


def _one(sent: int, event: Event, closed: int | None) -> Told:
    return Told(
        event.watch_id, event.camera_id, event.opened.ToMilliseconds() // 1000, sent, closed
    )


def _settled(rig: WatchRig, state_of: StateOf) -> None:
    """Do what follows from a frame, by as many owners as it takes."""
    while True:
        try:
            rig.round()
            rig.round()
        except Ends:
            rig.take(state_of)
        else:
            return
