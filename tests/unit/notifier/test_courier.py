"""How often a message is tried, and when it is given up."""

from __future__ import annotations

import random

import pytest

from services.common.metrics import Metrics
from services.notifier.courier import Courier, Delivered, Patience
from services.notifier.lease import LeaseLost
from services.notifier.message import Message
from services.notifier.sink import Failed, Refused
from tests.support import events


class Scripted:
    """A sink that fails with each of these faults in turn, and then takes messages."""

    at_once = 4

    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.taken: list[str] = []

    def wants(self, message: Message) -> bool:
        return True

    async def run(self) -> None:
        """Nothing."""

    async def deliver(self, message: Message) -> None:
        if self.faults:
            raise self.faults.pop(0)
        self.taken.append(message.id)


class Rig:
    """A courier whose clock is moved by its pauses alone."""

    def __init__(self, *faults: Exception, give_up_after_s: float = 3600.0) -> None:
        self.sink = Scripted(*faults)
        self.metrics = Metrics()
        self.now_s, self.pauses = 0.0, list[float]()
        self.lost = False
        self.delivered = Delivered()
        self.courier = Courier(
            "app", self.sink, Patience(give_up_after_s), self.metrics, self._lease,
            self.delivered, clock=lambda: self.now_s, sleep=self._sleep, rng=random.Random(7),
        )  # fmt: skip

    def _lease(self) -> None:
        if self.lost:
            raise LeaseLost

    async def _sleep(self, seconds: float) -> None:
        self.now_s += seconds
        self.pauses.append(seconds)

    def count(self, outcome: str) -> float:
        labels = {"sink": "app", "outcome": outcome}
        return self.metrics.registry.get_sample_value("hermes_notifications_total", labels) or 0.0


FIRST = events.message(events.opened())


async def test_it_is_tried_with_growing_pauses_until_it_is_taken() -> None:
    rig = Rig(*[Failed("500")] * 9)
    assert await rig.courier.deliver(FIRST) is None
    assert rig.sink.taken == [FIRST.id]
    steps = [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert all(step / 2 <= p <= step for p, step in zip(rig.pauses, steps, strict=True))
    assert (rig.count("failed"), rig.count("delivered")) == (9, 1)
    lags = rig.metrics.registry.get_sample_value(
        "hermes_notification_lag_seconds_count", {"sink": "app"}
    )
    assert lags == 1


async def test_it_is_given_up_in_time_and_why_is_said() -> None:
    rig = Rig(*[Failed("500")] * 1000, give_up_after_s=300)
    assert await rig.courier.deliver(FIRST) == "500"
    assert 200 <= rig.now_s <= 300
    assert rig.count("dead") == 1


async def test_what_is_refused_is_not_tried_again() -> None:
    rig = Rig(Refused("410"))
    assert await rig.courier.deliver(FIRST) == "410"
    assert rig.pauses == []
    assert await rig.courier.deliver(events.message(events.opened(2))) is None


async def test_all_messages_wait_when_the_receiver_asks_for_it() -> None:
    rig = Rig(Failed("429", retry_after_s=50.0))
    assert await rig.courier.deliver(FIRST) is None
    assert 50 <= rig.now_s <= 52
    rig.sink.faults = [Failed("503", retry_after_s=1e9)]
    assert await rig.courier.deliver(events.message(events.opened(2))) is None
    assert rig.now_s <= 52 + 900, "a receiver may not ask for ever"


async def test_one_that_was_delivered_is_not_sent_again_unless_it_is_wanted() -> None:
    rig = Rig()
    for _ in range(3):
        assert await rig.courier.deliver(FIRST) is None
    assert rig.sink.taken == [FIRST.id]
    assert rig.count("repeated") == 2
    await rig.courier.deliver(events.message(events.opened(), resent=True))
    assert len(rig.sink.taken) == 2


async def test_nothing_is_sent_once_the_lease_is_lost() -> None:
    rig = Rig()
    rig.lost = True
    with pytest.raises(LeaseLost):
        await rig.courier.deliver(FIRST)
    assert rig.sink.taken == []


async def test_a_fault_of_our_own_holds_nothing_up() -> None:
    rig = Rig(KeyError("x"))
    assert await rig.courier.deliver(FIRST) == "a fault of the notifier: KeyError"
    assert await rig.courier.deliver(events.message(events.opened(2))) is None


def test_only_the_newest_are_remembered() -> None:
    delivered = Delivered(most=2)
    for name in ("a", "b", "a", "c"):
        delivered.add(name)
    assert [name in delivered for name in ("a", "b", "c")] == [True, False, True]
