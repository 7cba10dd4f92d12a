"""What the state of watches and the log of events promise, in memory and on each Redis."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import redis

from hermes.errors import InvalidInput
from hermes.v1.event_pb2 import EVENT_TYPE_CLOSED, EVENT_TYPE_UPDATED, Event
from services.common import keys
from services.common.event_log import Appended, EventLog, Outcome, RedisEventLog
from services.common.event_record import message_of
from services.common.frame_log import Fenced
from services.common.leases import Fence, Lease, Leases
from services.common.watch_state import OutboxFull, RedisWatchState, WatchState
from tests.contract.conftest import REDISES, emptied
from tests.support.event_messages import closed, note, opened, updated
from tests.support.in_memory_events import InMemoryEventLog, InMemoryWatchState, WatchMemory


class FailingLog:
    """A log that Redis refuses to append to, while it is off."""

    def __init__(self, log: EventLog) -> None:
        self.off = False
        self._log = log

    def append(self, event: Event) -> Appended:
        if self.off:
            raise redis.ConnectionError("off")
        return self._log.append(event)


@dataclass
class Rig:
    """A log and the state of one camera's watches, and what stands around them."""

    log: FailingLog
    take: Callable[[], WatchState]
    """A new worker becomes the owner."""
    again: Callable[[], WatchState]
    """The owner begins anew, as when a camera was to be handed over and stays."""
    messages: Callable[[], list[Event]]
    """What is in the log."""


def in_memory(most: int) -> Rig:
    numbers = itertools.count(1)
    events, memory = InMemoryEventLog(), WatchMemory()
    log = FailingLog(events)

    def take() -> WatchState:
        number = next(numbers)
        memory.owners["lobby"] = Lease("lobby", "worker", Fence(f"worker-{number}", number))
        return again()

    def again() -> WatchState:
        return InMemoryWatchState(memory, memory.owners["lobby"], log, most)

    return Rig(log, take, again, lambda: list(events.messages))


def on_redis(client: redis.Redis, most: int) -> Rig:
    numbers = itertools.count(1)
    log = FailingLog(RedisEventLog(client))
    taken: list[Lease] = []

    def take() -> WatchState:
        leases = Leases(client, "worker", f"worker-{next(numbers)}", "")
        lease = leases.acquire("lobby", unattended=leases.owners(["lobby"])["lobby"])
        assert lease is not None
        taken.append(lease)
        return again()

    def again() -> WatchState:
        return RedisWatchState(client, taken[-1], log, most)

    def messages() -> list[Event]:
        entries: Any = client.xrange(keys.EVENTS)
        found = [message_of(fields) for _, fields in entries]
        return [event for event in found if event is not None]

    return Rig(log, take, again, messages)


@pytest.fixture(params=["in memory", *REDISES])
def rig(request: pytest.FixtureRequest, url_of: Callable[[str], str]) -> Iterator[Rig]:
    if request.param == "in memory":
        yield in_memory(4)
        return
    for client in emptied(url_of(request.param)):
        yield on_redis(client, 4)


def told(rig: Rig) -> list[tuple[str, int]]:
    """Id and number of each message in the log."""
    return [(event.id, event.sequence) for event in rig.messages()]


def test_what_is_written_is_read_by_the_successor(rig: Rig) -> None:
    ours = rig.take()
    assert ours.read() == {}
    ours.write({"fall": b"\x00 since 5", "queue": b"3"})
    ours.write({"queue": None})
    assert rig.take().read() == {"fall": b"\x00 since 5"}


def test_events_go_into_the_log_in_order_and_once(rig: Rig) -> None:
    state = rig.take()
    state.write({"fall": b"open"}, [opened(), updated(sentence="A person lies there.")])
    assert told(rig) == []
    assert state.publish() == 2
    assert state.publish() == 0
    state.write({"fall": b""}, [closed(), note()])
    assert state.publish() == 2
    assert told(rig) == [("e1", 1), ("e1", 2), ("e1", 3), ("n1", 1)]


def test_a_message_arrives_as_it_was_sent(rig: Rig) -> None:
    state = rig.take()
    sent = opened()
    state.write({}, [sent])
    state.publish()
    assert rig.messages() == [sent]


def test_a_successor_publishes_what_a_crashed_owner_left(rig: Rig) -> None:
    crashed = rig.take()
    crashed.write({"fall": b"open"}, [opened(), updated()])
    ours = rig.take()
    assert ours.read() == {"fall": b"open"}
    ours.write({"fall": None}, [closed()])
    assert ours.publish() == 3
    assert told(rig) == [("e1", 1), ("e1", 2), ("e1", 3)]


def test_a_former_owner_that_wakes_adds_nothing(rig: Rig) -> None:
    former = rig.take()
    former.write({"fall": b"open"}, [opened()])
    ours = rig.take()
    ours.write({"fall": None}, [closed()])
    ours.publish()
    with pytest.raises(Fenced):
        former.write({"fall": b"other"}, [updated()])
    former.publish()
    assert told(rig) == [("e1", 1), ("e1", 2)]
    assert ours.read() == {}


def test_an_owner_that_begins_anew_loses_no_message(rig: Rig) -> None:
    state = rig.take()
    state.write({}, [opened()])
    rig.log.off = True
    with pytest.raises(redis.ConnectionError):
        state.publish()
    again = rig.again()
    again.write({}, [closed()])
    rig.log.off = False
    assert again.publish() == 2
    assert told(rig) == [("e1", 1), ("e1", 2)]


def test_what_could_not_be_published_is_published_later(rig: Rig) -> None:
    state = rig.take()
    state.write({}, [opened()])
    rig.log.off = True
    with pytest.raises(redis.ConnectionError):
        state.publish()
    state.write({}, [closed()])
    rig.log.off = False
    assert state.publish() == 2
    assert [event.type for event in rig.messages()][-1] == EVENT_TYPE_CLOSED


def test_a_repeated_write_adds_nothing_to_the_log(rig: Rig) -> None:
    state = rig.take()
    for _ in range(2):
        state.write({"fall": b"open"}, [opened()])
    state.publish()
    assert told(rig) == [("e1", 1)]


def test_an_outbox_is_bounded_and_a_full_one_keeps_its_state(rig: Rig) -> None:
    state = rig.take()
    rig.log.off = True
    state.write({"fall": b"1"}, [opened(f"e{number}") for number in range(4)])
    with pytest.raises(OutboxFull):
        state.write({"fall": b"2"}, [opened("more")])
    assert state.read() == {"fall": b"1"}
    state.write({"fall": b"3"})
    rig.log.off = False
    assert state.publish() == 4


def test_a_repeated_message_is_not_appended_again(rig: Rig) -> None:
    first = rig.log.append(opened())
    again = rig.log.append(opened())
    assert (first.outcome, again.outcome) == (Outcome.ADDED, Outcome.DUPLICATE)
    assert (again.position, again.sequence) == (first.position, 1)


def test_an_event_closes_once(rig: Rig) -> None:
    rig.log.append(opened())
    rig.log.append(closed())
    assert rig.log.append(closed(sequence=9)).outcome == Outcome.OVER
    assert rig.log.append(updated()).outcome == Outcome.OVER
    assert told(rig) == [("e1", 1), ("e1", 2)]


@pytest.mark.parametrize("late", [closed(), updated()], ids=["of what is over", "of what was open"])
def test_a_sentence_that_comes_when_the_event_is_over_goes_with_it(rig: Rig, late: Event) -> None:
    rig.log.append(opened())
    rig.log.append(closed(sequence=2))
    message = Event()
    message.CopyFrom(late)
    message.type, message.sequence, message.sentence = EVENT_TYPE_UPDATED, 3, "It was a cat."
    assert rig.log.append(message).outcome == Outcome.ADDED
    *_, last = rig.messages()
    assert (last.type, last.sentence, last.sequence) == (EVENT_TYPE_UPDATED, "It was a cat.", 3)
    assert (last.closed, last.end, last.value) == (closed().closed, closed().end, 0.2)
    assert not last.evidence


def test_a_sentence_stays_in_later_messages(rig: Rig) -> None:
    for event in (opened(), updated(sentence="A person lies there."), closed()):
        rig.log.append(event)
    assert [event.sentence for event in rig.messages()][1:] == ["A person lies there."] * 2


@pytest.mark.parametrize("wrong", [{"id": "a/b"}, {"watch_id": ""}, {"camera_id": " "}])
def test_what_is_no_event_is_refused(rig: Rig, wrong: dict[str, str]) -> None:
    event = opened()
    event.MergeFrom(Event(**wrong))  # type: ignore[arg-type]
    for name, value in wrong.items():
        setattr(event, name, value)
    with pytest.raises(InvalidInput, match=f"event.{next(iter(wrong))}"):
        rig.log.append(event)
