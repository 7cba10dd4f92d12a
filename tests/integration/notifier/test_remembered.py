"""What a sink knows outlasts its owner, as far as it is of use."""

from __future__ import annotations

import time

import redis
import redis.asyncio

from services.common import keys
from services.notifier.remembered import KEPT_MS, Remembered
from tests.support import events


async def test_the_next_owner_knows_it_without_pictures_and_without_what_is_old(
    redis_url: str, redis_client: redis.Redis
) -> None:
    first, other = events.opened(), events.opened(camera="other")
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        owner = Remembered(client, "a")
        began = (await owner.put(first)).since_ms
        await owner.put(events.closed(first))
        await owner.put(other)
        old = events.closed(events.opened(camera="gone"))
        key, long_ago = keys.notifier_open("a"), round(time.time() * 1000) - KEPT_MS - 1
        redis_client.hset(key, "fall/gone", b"%d %b" % (long_ago, old.SerializeToString()))
        redis_client.hset(key, "fall/broken", b"what is this")
        following = Remembered(client, "a")
        await following.load()
    known = following.get(("fall", "ward-3"))
    assert known is not None
    assert known.over
    assert known.since_ms == began
    assert known.event.sentence
    open_one = following.get(("fall", "other"))
    assert open_one is not None
    assert not open_one.over
    assert not open_one.event.evidence
    assert len(following.all()) == 2
    assert set(redis_client.hkeys(key)) == {b"fall/ward-3", b"fall/other"}
