"""Turns: how many questions to many cameras are on their way to workers at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from hermes.errors import HermesError
from services.common.caller import UNKNOWN
from services.query_gateway.fair_places import FairPlaces
from services.query_gateway.open_questions import OpenQuestions
from services.query_gateway.resolver import Route
from services.query_gateway.router import Resolves

LOOK_UPS = 16
"""Owners of cameras that are read from Redis at a time."""


class Turns:
    """A bound over all workers and one for each, for all calls together. Callers take turns.

    Each question under way counts as an open one.
    """

    def __init__(
        self,
        open_questions: OpenQuestions,
        at_once: int,
        of_one_worker: int,
        caller: Callable[[], str] = lambda: UNKNOWN,
    ) -> None:
        """`caller`: the mark of the caller that is being served."""
        self._open_questions = open_questions
        self._places: FairPlaces[asyncio.Future[None]] = FairPlaces(at_once, of_one_worker)
        self._caller = caller

    @asynccontextmanager
    async def turn(self, route: Route) -> AsyncIterator[None]:
        """Wait for a place, and have it inside. Raises `Overloaded` if too many questions are open
        at this gateway.
        """
        caller, worker = self._caller(), route.address
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._places.wait(caller, worker, place)
        self._hand_out()
        try:
            await place
        except asyncio.CancelledError:
            if place.cancelled():
                self._places.drop(caller, worker, place)
            else:  # it had just got its place
                self._leave(caller, worker)
            raise
        try:
            with self._open_questions.enter():
                yield
        finally:
            self._leave(caller, worker)

    def _leave(self, caller: str, worker: str) -> None:
        self._places.leave(caller, worker)
        self._hand_out()

    def _hand_out(self) -> None:
        while (place := self._places.take()) is not None:
            place.set_result(None)


class LookUps:
    """A resolver that is asked for a few cameras at a time, however many are wanted."""

    def __init__(self, resolver: Resolves, at_once: int = LOOK_UPS) -> None:
        self._resolver = resolver
        self._places = asyncio.Semaphore(at_once)

    async def resolve(self, camera_id: str) -> Route:
        """The camera's owner. Raises `HermesError`."""
        async with self._places:
            return await self._resolver.resolve(camera_id)


class ResolvesAll(Protocol):
    """Finds the owners of several cameras at once."""

    async def resolve_all(self, camera_ids: Sequence[str]) -> Mapping[str, Route | HermesError]:
        """Raises `HermesError` if none can be found."""
        ...


class SharedLookUps:
    """A resolver that looks up together what is wanted before the event loop's next turn."""

    def __init__(self, resolver: ResolvesAll) -> None:
        self._resolver = resolver
        self._wanted: dict[str, asyncio.Future[Route | Exception]] = {}
        self._looking: set[asyncio.Task[None]] = set()

    async def resolve(self, camera_id: str) -> Route:
        """The camera's owner. Raises `HermesError`."""
        if not self._wanted:
            asyncio.get_running_loop().call_soon(self._start)
        future = self._wanted.get(camera_id)
        if future is None:
            future = self._wanted[camera_id] = asyncio.get_running_loop().create_future()
        found = await asyncio.shield(future)
        if isinstance(found, Exception):
            raise found
        return found

    def _start(self) -> None:
        wanted, self._wanted = self._wanted, {}
        task = asyncio.create_task(self._look(wanted))
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)

    async def _look(self, wanted: Mapping[str, asyncio.Future[Route | Exception]]) -> None:
        found: Mapping[str, Route | Exception]
        try:
            found = await self._resolver.resolve_all(list(wanted))
        except Exception as error:
            found = dict.fromkeys(wanted, error)
        for camera_id, future in wanted.items():
            future.set_result(found[camera_id])
