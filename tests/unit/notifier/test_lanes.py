"""Lanes keep an order each, and do not wait for each other."""

from __future__ import annotations

import asyncio

import pytest

from services.notifier.lanes import Lanes, cancelled
from services.notifier.message import Message
from tests.support import events


def on(camera: str, number: int) -> Message:
    return events.message(events.opened(number, camera), 1000 + number)


async def test_a_lane_that_is_held_up_holds_up_no_other() -> None:
    gate, done = asyncio.Event(), list[tuple[str, int]]()

    async def work(message: Message) -> None:
        if message.event.camera_id == "stuck":
            await gate.wait()
        done.append((message.event.camera_id, message.written_ms))

    lanes = Lanes(work, most=6)
    for number in range(3):
        lanes.put(on("stuck", number))
        lanes.put(on("free", number))
    assert lanes.room == 0
    assert lanes.holds("1000-0")
    assert await lanes.wait_for_room(5)
    while len(done) < 3:
        await asyncio.sleep(0)
    assert done == [("free", 1000 + number) for number in range(3)]
    gate.set()
    while lanes.room < 6:
        await asyncio.sleep(0)
    assert done[3:] == [("stuck", 1000 + number) for number in range(3)]
    assert not lanes.holds("1000-0")


async def test_room_is_waited_for_and_not_for_ever() -> None:
    lanes = Lanes(lambda message: asyncio.sleep(60), most=1)
    lanes.put(on("a", 1))
    assert not await lanes.wait_for_room(0.01)
    await lanes.close()


async def test_a_fault_of_the_work_is_raised() -> None:
    async def work(message: Message) -> None:
        raise RuntimeError("broken")

    lanes = Lanes(work, most=1)
    lanes.put(on("a", 1))
    assert not await lanes.wait_for_room(0.05)
    with pytest.raises(RuntimeError, match="broken"):
        lanes.check()


async def test_a_task_that_swallows_its_cancellation_is_cancelled_again() -> None:
    swallowed: list[bool] = []

    async def stubborn() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            swallowed.append(True)
        await asyncio.sleep(60)

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await cancelled([task])
    assert swallowed
    assert task.cancelled()
