"""A sink: where messages about events are delivered to."""

from __future__ import annotations

from typing import Protocol

from services.notifier.message import Message


class Failed(Exception):
    """The sink did not take a message, but may take it later. The text says why.

    `retry_after_s`: how long the receiver asks us to wait, if it says so.
    """

    def __init__(self, why: str, retry_after_s: float = 0.0) -> None:
        super().__init__(why)
        self.retry_after_s = retry_after_s


class Refused(Exception):
    """The sink will not take this message, however often it is sent. The text says why."""


class Sink(Protocol):
    """Made by the instance that owns the sink, for as long as it owns it."""

    at_once: int
    """Messages that may be under way at a time."""

    def wants(self, message: Message) -> bool:
        """Whether it can say what this message says."""
        ...

    async def run(self) -> None:
        """Do what has to be done beside deliveries, until it is cancelled."""
        ...

    async def deliver(self, message: Message) -> None:
        """Deliver it: on return, the receiver has it. Raises `Failed` and `Refused`.

        Takes a bounded time. Messages of one lane come one after the other.
        """
        ...
