"""What comes of several answers, on its way from the device's thread to the event loop."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass

from hermes.engine import AnswerResult
from hermes.errors import HermesError
from services.common import logs

log = logs.get(__name__)

Item = str | AnswerResult | HermesError
"""More text of an answer, or how it ended."""


class Arrivals:
    """Items of many cameras, in the order in which they came. Made on the event loop.

    The loop is woken once for all that came since it last looked.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._items: list[tuple[str, Item]] = []
        self._some = asyncio.Event()

    def put(self, camera_id: str, item: Item) -> None:
        """Add an item. From any thread."""
        with self._lock:
            self._items.append((camera_id, item))
            if len(self._items) > 1:
                return  # the loop was woken for the first one
        try:
            self._loop.call_soon_threadsafe(self._some.set)
        except RuntimeError:
            log.debug("answer_after_shutdown")  # the loop is closed: no caller is left

    async def take(self) -> list[tuple[str, Item]]:
        """All that came, in order. Waits until there is something."""
        while True:
            await self._some.wait()
            self._some.clear()
            with self._lock:
                items, self._items = self._items, []
            if items:
                return items

    def sink(self, camera_id: str) -> CameraSink:
        """Where the engine sends this camera's answer."""
        return CameraSink(camera_id, self)


@dataclass(frozen=True, slots=True)
class CameraSink:
    """An answer's sink (`hermes.engine.AnswerSink`) that names its camera."""

    camera_id: str
    arrivals: Arrivals

    def delta(self, text: str) -> None:
        """More text."""
        self.arrivals.put(self.camera_id, text)

    def done(self, result: AnswerResult) -> None:
        """The answer is complete."""
        self.arrivals.put(self.camera_id, result)

    def failed(self, error: HermesError) -> None:
        """The answer failed."""
        self.arrivals.put(self.camera_id, error)
