"""The courier of a sink: delivers one message, again and again until it is taken or given up."""

from __future__ import annotations

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import redis

from services.common import logs
from services.common.backoff import Backoff
from services.common.metrics import Metrics
from services.notifier.lease import LeaseLost
from services.notifier.message import Message
from services.notifier.sink import Failed, Refused, Sink

log = logs.get(__name__)

BASE_S = 1.0
CAP_S = 60.0
MOST_RETRY_AFTER_S = 900.0
"""A receiver may not ask us to wait for longer."""
REMEMBERED = 4096
"""Messages that are known to have been delivered, so that a second reading sends nothing."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a message is tried. `give_up_after_s`: counted from the first try."""

    give_up_after_s: float
    base_s: float = BASE_S
    cap_s: float = CAP_S


class Delivered:
    """The messages that a sink was sent lately, by id."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._most = most

    def add(self, message_id: str) -> None:
        """It was delivered."""
        self._ids[message_id] = None
        self._ids.move_to_end(message_id)
        if len(self._ids) > self._most:
            self._ids.popitem(last=False)

    def __contains__(self, message_id: str) -> bool:
        return message_id in self._ids


class Courier:
    """Delivers to one sink while its lease is held.

    `may_deliver` raises if the lease is not held; it is asked before each try.
    """

    def __init__(
        self,
        name: str,
        sink: Sink,
        patience: Patience,
        metrics: Metrics,
        may_deliver: Callable[[], None],
        delivered: Delivered,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: random.Random | None = None,
    ) -> None:
        self._name = name
        self._sink = sink
        self._patience = patience
        self._metrics = metrics
        self._may_deliver = may_deliver
        self._delivered = delivered
        self._clock = clock
        self._sleep = sleep
        self._rng = rng
        self._at_once = asyncio.Semaphore(sink.at_once)
        self._not_before_s = 0.0
        self._failing = False

    async def deliver(self, message: Message) -> str | None:
        """None once the sink has the message; why it never will, if it was given up."""
        if message.id in self._delivered and not message.resent:
            self._count("repeated")
            return None
        patience = self._patience
        backoff = Backoff(patience.base_s, patience.cap_s, self._rng)
        began_s = self._clock()
        while True:
            try:
                async with self._at_once:
                    await self._wait()
                    self._may_deliver()
                    await self._sink.deliver(message)
            except Refused as error:
                return self._given_up(message, str(error))
            except LeaseLost:
                raise
            except (Failed, OSError, redis.RedisError) as error:
                why = str(error) or type(error).__name__
                pause_s = max(backoff.next(), self._asked_to_wait(error))
                self._failed(why)
                if self._clock() - began_s + pause_s > patience.give_up_after_s:
                    return self._given_up(message, why)
                await self._sleep(pause_s)
            except Exception as error:  # our own fault: it must not hold up all that follows
                log.exception("delivery_failed", sink=self._name)
                return self._given_up(message, f"a fault of the notifier: {type(error).__name__}")
            else:
                self._has(message)
                return None

    def _has(self, message: Message) -> None:
        self._delivered.add(message.id)
        self._count("delivered")
        lag_s = max(0.0, time.time() - message.written_ms / 1000)
        self._metrics.notification_lag.labels(self._name).observe(lag_s)
        if self._failing:
            log.info("sink_takes_messages_again", sink=self._name)
        self._failing = False

    def _failed(self, why: str) -> None:
        self._count("failed")
        if not self._failing:
            log.warning("sink_failing", sink=self._name, why=why)
        self._failing = True

    def _given_up(self, message: Message, why: str) -> str:
        self._count("dead")
        log.error(
            "message_given_up",
            sink=self._name,
            event_id=message.event.id,
            type=message.type,
            message_id=message.id,
            why=why,
        )
        return why

    def _asked_to_wait(self, error: Exception) -> float:
        """How long the receiver wants us to wait. All other messages wait, too."""
        asked_s = min(getattr(error, "retry_after_s", 0.0), MOST_RETRY_AFTER_S)
        if asked_s > 0:
            self._not_before_s = max(self._not_before_s, self._clock() + asked_s)
        return asked_s

    async def _wait(self) -> None:
        while (left_s := self._not_before_s - self._clock()) > 0:
            await self._sleep(left_s)

    def _count(self, outcome: str) -> None:
        self._metrics.notifications.labels(self._name, outcome).inc()
