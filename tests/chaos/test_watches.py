"""Watches while their workers are killed: every nightfall is told, once."""

from __future__ import annotations

import itertools
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis

from hermes.v1.event_pb2 import EVENT_END_CLEARED, EVENT_TYPE_CLOSED, EVENT_TYPE_OPENED, Event
from hermes.v1.watch_pb2 import Watch
from services.common import keys
from services.common.event_record import message_of
from tests.chaos.conftest import HANGS_S
from tests.support.fleet import Fleet, running
from tests.support.nightfall import Film
from tests.support.waiting import eventually
from tests.support.workers import Feeder

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.timeout(HANGS_S)]

DEMO: dict[str, Any] = {
    "model": "demo",
    "budget_tokens": "96",
    "compress_every_frames": "4",
    "max_answer_tokens": "32",
    "max_question_tokens": "64",
}
CAMERAS = ("lobby", "dock", "street")
DAY, NIGHT = 40, 40
"""How many frames each lasts."""
SHIFT = 13
"""Frames by which one camera's night is after another's."""
FRAMES = 240
FRAMES_A_SECOND = 2
STEP_MS = 1000
BEGIN_MS = 1_700_000_000_000
KILL_EVERY = 50
"""Frames between two kills."""
OWNERLESS = 16 * FRAMES_A_SECOND
"""Frames that come at most before a killed owner has a successor that looks at them."""


@dataclass
class Stage:
    """A camera and its nights."""

    feeder: Feeder
    shift: int
    nights: list[range] = field(default_factory=list)

    def is_night(self, number: int) -> bool:
        return (number + self.shift) % (DAY + NIGHT) >= DAY


def at_ms(number: int) -> int:
    return BEGIN_MS + number * STEP_MS


def number_of(ms: int) -> int:
    return (ms - BEGIN_MS) // STEP_MS


def nights_of(stage: Stage) -> list[range]:
    """The nights that begin after the first frame, as frames."""
    begins = [n for n in range(1, FRAMES) if stage.is_night(n) and not stage.is_night(n - 1)]
    return [range(begin, begin + NIGHT) for begin in begins]


def test_every_nightfall_is_told_once_though_owners_are_killed(folder: Path) -> None:
    with running(folder) as fleet:
        client, film = fleet.redis, Film()
        register(client)
        numbers = itertools.count(1)
        for _ in range(2):
            fleet.start(f"worker-{next(numbers)}", **DEMO)
        stages = [
            Stage(Feeder(client, camera_id), SHIFT * place)
            for place, camera_id in enumerate(CAMERAS)
        ]
        kills = run(fleet, film, stages, numbers)
        wanted = sum(len(nights_of(stage)) for stage in stages)
        eventually(lambda: len(of_type(client, EVENT_TYPE_CLOSED)) >= wanted, 60, "all are over")
        late = [check(stage, messages(client)) for stage in stages]
        print(f"\n{wanted} nights, owners killed at frames {kills}; told late by frames: {late}")


def register(client: redis.Redis) -> None:
    watch = Watch(id="night", text="Is it day or night?", version=1)
    watch.cameras.camera_ids.extend(CAMERAS)
    watch.choices.texts.extend(["day", "night"])
    watch.trigger.equals.choices.append("night")
    watch.trigger.equals.probability = 0.8
    watch.heartbeat.FromSeconds(1)
    client.hset(keys.WATCHES, watch.id, watch.SerializeToString())
    client.incr(keys.WATCHES_VERSION)


def run(fleet: Fleet, film: Film, stages: list[Stage], numbers: Any) -> list[int]:
    """Show all frames; the frames at which an owner was killed."""
    kills = []
    for number in shown(film, stages):
        if 20 < number < FRAMES and number % KILL_EVERY == 0:
            owner = fleet.owner(stages[number // KILL_EVERY % len(stages)].feeder.camera_id)
            if owner is not None:
                fleet.kill(owner.instance)
                kills.append(number)
                fleet.start(f"worker-{next(numbers)}", **DEMO)
    return kills


def shown(film: Film, stages: list[Stage]) -> Iterator[int]:
    """Show all frames, and a day at the end, as fast as a camera does; the number of each."""
    for number in range(FRAMES + NIGHT + 4):
        began = time.monotonic()
        for stage in stages:
            night = number < FRAMES + NIGHT and stage.is_night(number)
            if number >= FRAMES and not any(number in one for one in nights_of(stage)):
                night = False
            picture = film.night(number) if night else film.day(number)
            stage.feeder.push(first_ms=at_ms(number), pictures=[picture])
        yield number
        time.sleep(max(0.0, 1 / FRAMES_A_SECOND - (time.monotonic() - began)))


def messages(client: redis.Redis) -> list[Event]:
    entries: Any = client.xrange(keys.EVENTS)
    return [event for _, fields in entries if (event := message_of(fields)) is not None]


def of_type(client: redis.Redis, kind: int) -> list[Event]:
    return [event for event in messages(client) if event.type == kind]


def check(stage: Stage, told: list[Event]) -> list[int]:
    """Each night has one event, which begins with its first frame that an owner looked at."""
    ours = [event for event in told if event.camera_id == stage.feeder.camera_id]
    by_id: dict[str, list[Event]] = defaultdict(list)
    for event in ours:
        if event.type in (EVENT_TYPE_OPENED, EVENT_TYPE_CLOSED):
            by_id[event.id].append(event)
    late = []
    nights = nights_of(stage)
    assert len(by_id) == len(nights)
    for (opened, closed), night in zip(by_id.values(), nights, strict=True):
        assert (opened.type, closed.type) == (EVENT_TYPE_OPENED, EVENT_TYPE_CLOSED)
        since, until = (
            number_of(stamp.ToMilliseconds()) for stamp in (opened.opened, closed.closed)
        )
        assert 0 <= since - night.start <= OWNERLESS
        assert 0 <= until - night.stop <= OWNERLESS
        assert closed.end == EVENT_END_CLEARED
        late.append(since - night.start)
    return late
