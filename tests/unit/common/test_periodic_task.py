"""A periodic task survives faults; its heartbeat distinguishes them from outages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import redis

from services.common.heartbeats import Heartbeats
from services.common.periodic_task import PeriodicTask, event_loop_watch


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.005)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Step:
    """Fails or hangs on request."""

    def __init__(self) -> None:
        self.rounds = 0
        self.error: Exception | None = None
        self.hangs = False

    async def __call__(self) -> None:
        self.rounds += 1
        if self.error is not None:
            raise self.error
        if self.hangs:
            await asyncio.Event().wait()


async def late_after(step: Step) -> list[str]:
    """Which tasks are late ten seconds after a step, when the limit is five."""
    clock, begun = Clock(), step.rounds
    heartbeats = Heartbeats(clock)
    task = PeriodicTask("work", step, 0.001, heartbeats, limit_s=5.0)
    task.start()
    clock.now = 10.0
    await until(lambda: step.rounds > begun + (0 if step.hangs else 1))
    late = heartbeats.late()
    await task.stop()
    assert heartbeats.all() == []
    return late


async def test_a_task_that_finishes_its_rounds_is_not_late() -> None:
    assert await late_after(Step()) == []


async def test_an_outage_of_redis_does_not_make_the_task_late() -> None:
    step = Step()
    step.error = redis.ConnectionError("refused")
    assert await late_after(step) == []


@pytest.mark.filterwarnings("ignore")
async def test_a_task_that_fails_in_every_round_goes_on_and_is_late() -> None:
    step = Step()
    step.error = ValueError("an odd entry")
    assert await late_after(step) == ["work"]


async def test_a_task_that_hangs_is_late() -> None:
    step = Step()
    step.hangs = True
    assert await late_after(step) == ["work"]


async def test_a_task_that_was_never_started_can_be_stopped() -> None:
    await PeriodicTask("work", Step(), 1.0, Heartbeats()).stop()


async def test_the_event_loop_has_a_heartbeat() -> None:
    clock = Clock()
    heartbeats = Heartbeats(clock)
    watch = event_loop_watch(heartbeats)
    watch.start()
    clock.now = 100.0  # nothing has run on the loop meanwhile
    assert heartbeats.late() == ["event-loop"]
    await until(lambda: heartbeats.late() == [])
    await watch.stop()


async def test_a_round_that_swallows_its_cancellation_is_cancelled_again() -> None:
    """As a library may do that gives up waiting at that very moment."""
    swallowed = asyncio.Event()
    begun = asyncio.Event()

    async def step() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if swallowed.is_set():
                raise
            swallowed.set()

    heartbeats = Heartbeats()
    task = PeriodicTask("work", step, 60.0, heartbeats)
    task.start()
    await begun.wait()
    await asyncio.wait_for(task.stop(), 10)
    assert swallowed.is_set()
    assert not heartbeats.late()
