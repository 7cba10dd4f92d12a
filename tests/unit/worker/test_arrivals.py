"""Items of several answers, from the device's thread to the event loop."""

from __future__ import annotations

import asyncio
import threading

from hermes.errors import Unavailable
from services.hermes_worker.arrivals import Arrivals


async def test_what_came_is_taken_at_once_and_in_order() -> None:
    arrivals = Arrivals()

    def device() -> None:
        for name in ("a", "b"):
            arrivals.sink(name).delta(f"{name} 1")
        arrivals.sink("a").delta("a 2")

    thread = threading.Thread(target=device)
    thread.start()
    thread.join()
    assert await arrivals.take() == [("a", "a 1"), ("b", "b 1"), ("a", "a 2")]
    taking = asyncio.create_task(arrivals.take())
    await asyncio.sleep(0)
    assert not taking.done()
    error = Unavailable("gone")
    arrivals.sink("b").failed(error)
    assert await taking == [("b", error)]


async def test_no_item_is_lost_between_two_looks() -> None:
    arrivals, taken = Arrivals(), list[object]()

    def device() -> None:
        for number in range(2000):
            arrivals.put("a", str(number))

    thread = threading.Thread(target=device)
    thread.start()
    async with asyncio.timeout(20):
        while len(taken) < 2000:
            taken += [item for _, item in await arrivals.take()]
    thread.join()
    assert taken == [str(number) for number in range(2000)]
