"""What processes that act on watches see, on each Redis."""

from __future__ import annotations

from typing import Any

import redis

from hermes.v1.watch_pb2 import Watch
from services.common import keys
from services.common.watch_registry import WatchRegistry, WatchTombstone
from tests.support.watches import yes_no


def put(client: redis.Redis, watch: Watch) -> None:
    client.hset(keys.WATCHES, watch.id, watch.SerializeToString())
    client.incr(keys.WATCHES_VERSION)


def made(watch_id: str = "fall", created_ns: int = 1_000, **fields: Any) -> Watch:
    watch = yes_no(watch_id, **fields)
    watch.created.FromNanoseconds(created_ns)
    return watch


def test_changes_are_noticed_and_rest_is_cheap(client: redis.Redis) -> None:
    registry = WatchRegistry(client)
    assert registry.refresh() is False
    put(client, made())
    assert registry.refresh() is True
    assert registry.watches == {"fall": made()}
    assert registry.refresh() is False
    put(client, made(text="Is somebody on the floor?"))
    assert registry.refresh() is True
    assert registry.watches["fall"].text == "Is somebody on the floor?"


def test_an_entry_that_makes_no_sense_is_passed_over(client: redis.Redis) -> None:
    client.hset(keys.WATCHES, "garbage", b"\xff\xff")
    client.hset(keys.WATCHES, "other", made().SerializeToString())
    client.hset(keys.WATCHES, "silent", made("silent", text=" ").SerializeToString())
    put(client, made())
    registry = WatchRegistry(client)
    registry.refresh()
    assert list(registry.watches) == ["fall"]


def test_a_watch_whose_entry_gets_damaged_goes_on(client: redis.Redis) -> None:
    registry = WatchRegistry(client)
    put(client, made())
    registry.refresh()
    client.hset(keys.WATCHES, "fall", b"\xff\xff")
    client.incr(keys.WATCHES_VERSION)
    registry.refresh()
    assert registry.watches == {"fall": made()}


def test_what_redis_forgot_is_put_back(client: redis.Redis) -> None:
    registry, other = WatchRegistry(client), WatchRegistry(client)
    put(client, made())
    registry.refresh()
    client.flushdb()
    registry.refresh()
    assert registry.watches == {"fall": made()}
    other.refresh()
    assert other.watches == {"fall": made()}
    client.hdel(keys.WATCHES, "fall")  # without a version: by hand, or evicted
    registry.refresh()
    assert client.hlen(keys.WATCHES) == 1


def test_what_was_removed_stays_removed_and_may_come_again(client: redis.Redis) -> None:
    registry = WatchRegistry(client)
    put(client, made(created_ns=1_000))
    registry.refresh()
    client.hdel(keys.WATCHES, "fall")
    client.set(keys.watch_removed("fall"), str(WatchTombstone.of(registry.watches["fall"])))
    registry.refresh()
    assert registry.watches == {}
    assert client.hlen(keys.WATCHES) == 0
    put(client, made(created_ns=2_000))
    registry.refresh()
    client.delete(keys.WATCHES)
    registry.refresh()
    assert registry.watches == {"fall": made(created_ns=2_000)}


def test_a_tombstone_that_makes_no_sense_removes_nothing() -> None:
    stone = WatchTombstone(1_000, 4)
    assert WatchTombstone.parse(str(stone).encode()) == stone
    assert stone.covers(made(created_ns=1_000))
    assert not stone.covers(made(created_ns=1_001))
    for raw in (None, b"", b"x", b"\xff 1", b"1 x"):
        assert not WatchTombstone.parse(raw).covers(made(created_ns=1_000))
