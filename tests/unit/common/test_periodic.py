"""A periodic thread survives faults, and its heartbeat distinguishes them from outages."""

import threading
from collections.abc import Callable

import pytest
import redis

from services.common.heartbeats import Heartbeats
from services.common.periodic import Periodic


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def until_rounds(
    count: int, step: Callable[[], None]
) -> tuple[threading.Event, Callable[[], None]]:
    done, rounds = threading.Event(), 0

    def counted() -> None:
        nonlocal rounds
        rounds += 1
        if rounds > count:
            done.set()
        step()

    return done, counted


def run(step: Callable[[], None], clock: Clock, rounds: int = 1) -> list[str]:
    """The threads that are late after a few rounds, ten seconds after the thread began."""
    heartbeats = Heartbeats(clock)

    def later() -> None:
        clock.now = 10.0
        step()

    done, counted = until_rounds(rounds, later)
    periodic = Periodic("work", counted, 0.001, heartbeats, limit_s=5.0)
    periodic.start()
    assert done.wait(30)
    late = heartbeats.late()
    assert periodic.stop()
    assert heartbeats.all() == []
    return late


def nothing() -> None:
    pass


def test_a_thread_that_finishes_its_rounds_is_not_late() -> None:
    assert run(nothing, Clock()) == []


def test_an_outage_of_redis_does_not_make_the_thread_late() -> None:
    def outage() -> None:
        raise redis.ConnectionError("refused")

    assert run(outage, Clock()) == []


@pytest.mark.filterwarnings("ignore")
def test_a_thread_that_fails_in_every_round_goes_on_and_is_late() -> None:
    def fault() -> None:
        raise ValueError("an odd entry")

    assert run(fault, Clock()) == ["work"]


def test_a_thread_that_hangs_is_late_until_it_beats_again() -> None:
    clock = Clock()
    heartbeats = Heartbeats(clock)
    heartbeat = heartbeats.add("device", 5.0)
    clock.now = 5.0
    assert heartbeats.late() == []
    clock.now = 5.1
    assert heartbeats.late() == ["device"]
    heartbeat.beat()
    assert heartbeats.late() == []
    heartbeats.remove(heartbeat)
    clock.now = 100.0
    assert heartbeats.late() == []


def test_an_announced_pause_is_not_late() -> None:
    clock = Clock()
    heartbeats = Heartbeats(clock)
    heartbeat = heartbeats.add("keys", 5.0)
    heartbeat.beat(600.0)
    clock.now = 604.0
    assert heartbeats.late() == []
    clock.now = 606.0
    assert heartbeats.late() == ["keys"]
