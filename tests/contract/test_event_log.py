"""What is kept of events, and for how long, on each Redis."""

from __future__ import annotations

import time
from typing import Any

import pytest
import redis

from hermes.v1.event_pb2 import Event
from services.common import keys
from services.common.event_log import Outcome, RedisEventLog, Retention
from services.common.event_record import Indexed, event_of, message_key, message_of
from tests.support.event_messages import closed, note, opened, updated


def stream(client: redis.Redis) -> list[str]:
    entries: Any = client.xrange(keys.EVENTS)
    messages = (message_of(fields) for _, fields in entries)
    return [event.id for event in messages if event is not None]


def index(client: redis.Redis) -> list[str]:
    members: Any = client.zrange(keys.EVENTS_INDEX, 0, -1)
    found = (Indexed.parse(member) for member in members)
    return [one.event_id for one in found if one is not None]


def ttl(client: redis.Redis, event_id: str) -> int:
    left: Any = client.pttl(keys.event(event_id))
    return int(left)


def test_messages_are_trimmed_by_number_and_events_with_them(client: redis.Redis) -> None:
    log = RedisEventLog(client, Retention(most=3))
    for number in range(5):
        log.append(opened(f"e{number}"))
    assert stream(client) == ["e2", "e3", "e4"]
    assert index(client) == ["e2", "e3", "e4"]
    assert client.exists(keys.event("e1"), keys.event("e2")) == 1
    assert sorted(client.hkeys(keys.EVENTS_OPEN)) == [b"e2", b"e3", b"e4"]
    for sequence in range(2, 5):
        log.append(updated("e4", sequence))
    assert stream(client) == ["e4", "e4", "e4"]
    assert index(client) == ["e2", "e3", "e4"]


def test_messages_are_trimmed_by_age(client: redis.Redis) -> None:
    log = RedisEventLog(client, Retention(keep_s=0.2))
    first = log.append(note("n1")).position
    time.sleep(0.3)
    log.append(note("n2"))
    assert stream(client) == ["n2"]
    assert client.get(keys.EVENTS_TRIMMED) == first.encode()
    assert index(client) == ["n2"]


def test_an_event_is_kept_while_it_is_open_and_for_a_time_after(client: redis.Redis) -> None:
    log = RedisEventLog(client, Retention(keep_s=0.2))
    log.append(opened("e1"))
    assert ttl(client, "e1") == -1
    time.sleep(0.3)
    log.append(note("n1"))
    assert sorted(index(client)) == ["e1", "n1"]
    log.append(closed("e1"))
    assert 0 < ttl(client, "e1") <= 200
    assert client.hlen(keys.EVENTS_OPEN) == 0
    time.sleep(0.3)
    log.append(note("n2"))
    assert index(client) == ["n2"]


def test_a_sentence_that_comes_late_leaves_the_event_closed(client: redis.Redis) -> None:
    log = RedisEventLog(client)
    log.append(opened("e1"))
    log.append(closed("e1", 2))
    late = closed("e1", 3, sentence="It was a cat.")
    late.type = updated().type
    assert log.append(late).outcome is Outcome.ADDED
    assert client.hlen(keys.EVENTS_OPEN) == 0
    assert ttl(client, "e1") > 0


def test_what_redis_forgot_is_appended_again(client: redis.Redis) -> None:
    log = RedisEventLog(client)
    log.append(opened("e1"))
    client.flushdb()
    assert log.append(closed("e1", 2)).outcome is Outcome.ADDED
    assert stream(client) == ["e1"]


def test_a_large_number_of_messages_is_counted_right(client: redis.Redis) -> None:
    log = RedisEventLog(client)
    client.hset(keys.event("e1"), mapping={"event": b"", "sequence": 70_000})
    appended = log.append(opened("e1"))
    entries: Any = client.xrange(keys.EVENTS)
    (message,) = (message_of(fields) for _, fields in entries)
    assert message is not None
    assert appended.sequence == message.sequence == 70_001


def test_a_former_script_is_loaded_again(client: redis.Redis) -> None:
    log = RedisEventLog(client)
    client.script_flush()
    assert log.append(opened("e1")).outcome is Outcome.ADDED


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"event": b"\xff\xff"},
        {"event": Event(id="e1").SerializeToString()},
        {"event": opened().SerializeToString(), "sequence": b"many"},
    ],
)
def test_a_record_that_makes_no_sense_is_no_event(record: dict[str, bytes | None]) -> None:
    assert event_of(record) is None


def test_keys_of_messages() -> None:
    assert [message_key(one) for one in (opened(), updated(), closed(), note())] == [
        "opened",
        "updated-2",
        "closed-3",
        "note",
    ]
    for wrong in ("", "a/b/c", "a/b/x/d", "a/b/1/c/d"):
        assert Indexed.parse(wrong) is None
