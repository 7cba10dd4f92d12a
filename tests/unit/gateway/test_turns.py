"""How many questions to many cameras are with workers at a time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from contextvars import ContextVar

import pytest

from hermes.errors import CameraNotFound, HermesError, Overloaded, Unavailable
from services.query_gateway.open_questions import OpenQuestions
from services.query_gateway.resolver import Route
from services.query_gateway.turns import LookUps, SharedLookUps, Turns


class Rig:
    """Cameras that take turns, and stay until they are let go."""

    def __init__(self, at_once: int, of_one_worker: int, open_questions: int = 64) -> None:
        self.open_questions = OpenQuestions(open_questions)
        self.turns = Turns(self.open_questions, at_once, of_one_worker)
        self.there: list[Route] = []
        self.go = asyncio.Event()

    async def camera(self, name: str, worker: str) -> None:
        route = Route(name, worker, 1)
        async with self.turns.turn(route):
            self.there.append(route)
            await self.go.wait()
            self.there.remove(route)

    async def settle(self) -> Counter[str]:
        for _ in range(10):
            await asyncio.sleep(0)
        return Counter(route.address for route in self.there)


async def test_a_bound_over_all_and_one_for_each_worker() -> None:
    rig = Rig(at_once=5, of_one_worker=3)
    async with asyncio.TaskGroup() as group:
        for number in range(10):
            group.create_task(rig.camera(f"a-{number}", "one"))
        assert await rig.settle() == {"one": 3}
        for number in range(10):
            group.create_task(rig.camera(f"b-{number}", "two"))
        # Those that wait for worker one keep none of the other places.
        assert await rig.settle() == {"one": 3, "two": 2}
        assert rig.open_questions.count == 5
        rig.go.set()
    assert rig.open_questions.count == 0
    assert await rig.settle() == {}


async def test_a_full_gateway_refuses() -> None:
    rig = Rig(at_once=5, of_one_worker=5, open_questions=1)
    with rig.open_questions.enter(), pytest.raises(Overloaded):
        await rig.camera("a", "one")
    rig.go.set()
    await rig.camera("a", "one")


async def test_one_that_stops_waiting_leaves_its_place() -> None:
    rig = Rig(at_once=1, of_one_worker=1)
    first = asyncio.create_task(rig.camera("a", "one"))
    second = asyncio.create_task(rig.camera("b", "one"))
    third = asyncio.create_task(rig.camera("c", "one"))
    await rig.settle()
    second.cancel()
    rig.go.set()
    await asyncio.gather(first, third)
    assert second.cancelled()


async def test_owners_are_looked_up_a_few_at_a_time() -> None:
    looking = most = 0

    class Resolver:
        async def resolve(self, camera_id: str) -> Route:
            nonlocal looking, most
            looking += 1
            most = max(most, looking)
            await asyncio.sleep(0)
            looking -= 1
            return Route(camera_id, "one", 1)

    look_ups = LookUps(Resolver(), at_once=4)
    routes = await asyncio.gather(*(look_ups.resolve(str(n)) for n in range(50)))
    assert [route.camera_id for route in routes] == [str(n) for n in range(50)]
    assert most == 4


class Owners:
    """Knows the owner of every camera but one."""

    def __init__(self) -> None:
        self.read: list[list[str]] = []

    async def resolve_all(self, camera_ids: Sequence[str]) -> dict[str, Route | HermesError]:
        self.read.append(list(camera_ids))
        await asyncio.sleep(0)
        if "nowhere" in camera_ids:
            raise Unavailable("Redis is down")
        return {
            name: CameraNotFound(name) if name == "unknown" else Route(name, "one", 1)
            for name in camera_ids
        }


async def test_owners_that_are_wanted_at_the_same_time_are_read_together() -> None:
    owners = Owners()
    look_ups = LookUps(SharedLookUps(owners), at_once=3)
    names = ["a", "b", "unknown", "a", "c"]
    found = await asyncio.gather(*map(look_ups.resolve, names), return_exceptions=True)
    assert [getattr(one, "camera_id", None) for one in found] == names
    assert isinstance(found[2], CameraNotFound)
    assert owners.read == [["a", "b", "unknown"], ["a", "c"]]
    failed = await asyncio.gather(*map(look_ups.resolve, ("a", "nowhere")), return_exceptions=True)
    assert {type(error) for error in failed} == {Unavailable}


async def test_one_that_stops_waiting_for_an_owner_stops_no_other() -> None:
    look_ups = SharedLookUps(Owners())
    first, second = (asyncio.create_task(look_ups.resolve("a")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).address == "one"
    assert first.cancelled()


async def test_a_caller_that_asks_many_keeps_no_other_waiting() -> None:
    rig = Rig(at_once=4, of_one_worker=4)
    caller = ContextVar("caller", default="")
    rig.turns = Turns(rig.open_questions, 4, 4, caller.get)
    caller.set("flood")
    flood = [asyncio.create_task(rig.camera(f"f-{number}", "one")) for number in range(50)]
    await rig.settle()
    caller.set("quiet")
    quiet = [asyncio.create_task(rig.camera(f"q-{number}", "one")) for number in range(2)]
    await rig.settle()
    there = [route.camera_id for route in rig.there]
    assert there == ["f-0", "f-1", "f-2", "f-3", "q-0", "q-1"]
    for task in [*flood[4:], *quiet]:
        task.cancel()
    await rig.settle()
    assert rig.open_questions.count == 4
    rig.go.set()
    await asyncio.gather(*flood[:4])
    assert rig.open_questions.count == 0


async def test_a_known_caller_leaves_places_for_others() -> None:
    who = "flood"
    questions = OpenQuestions(8, lambda: who)
    with ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(questions.enter())
        with pytest.raises(Overloaded, match="6 questions of yours are open; the last 2 places"):
            stack.enter_context(questions.enter())
        who = "quiet"
        stack.enter_context(questions.enter())
        assert questions.count == 7
    assert questions.count == 0
