"""Turns: how many questions to many cameras are on their way to workers at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.query_gateway.open_questions import OpenQuestions
from services.query_gateway.resolver import Route
from services.query_gateway.router import Resolves

LOOK_UPS = 16
"""Owners of cameras that are read from Redis at a time."""


class Turns:
    """A bound over all workers and one for each, for all calls together. First come, first served.

    A question that waits for a busy worker takes none of the places of the others.
    Each question under way counts as an open one.
    """

    def __init__(self, open_questions: OpenQuestions, at_once: int, of_one_worker: int) -> None:
        self._open_questions = open_questions
        self._all = asyncio.Semaphore(at_once)
        self._of_one_worker = of_one_worker
        self._workers: dict[str, asyncio.Semaphore] = {}
        self._users: dict[str, int] = {}

    @asynccontextmanager
    async def turn(self, route: Route) -> AsyncIterator[None]:
        """Wait for a place, and have it inside. Raises `Overloaded` if too many questions are open
        at this gateway.
        """
        async with self._at(route.address), self._all:
            with self._open_questions.enter():
                yield

    @asynccontextmanager
    async def _at(self, address: str) -> AsyncIterator[None]:
        worker = self._workers.setdefault(address, asyncio.Semaphore(self._of_one_worker))
        self._users[address] = self._users.get(address, 0) + 1
        try:
            async with worker:
                yield
        finally:
            self._users[address] -= 1
            if not self._users[address]:
                del self._users[address], self._workers[address]


class LookUps:
    """A resolver that is asked for a few cameras at a time, however many are wanted."""

    def __init__(self, resolver: Resolves, at_once: int = LOOK_UPS) -> None:
        self._resolver = resolver
        self._places = asyncio.Semaphore(at_once)

    async def resolve(self, camera_id: str) -> Route:
        """The camera's owner. Raises `HermesError`."""
        async with self._places:
            return await self._resolver.resolve(camera_id)
