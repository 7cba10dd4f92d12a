"""Events over the API: listed, followed, got and acknowledged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis

from hermes import errors
from hermes.client import AsyncEventStream, AsyncHermesClient, EventFilter, FollowedEvent
from hermes.v1.event_pb2 import EVENT_END_CAMERA, SEVERITY_CRITICAL, SEVERITY_INFO
from services.common import keys
from services.common.connection import connect_async
from services.common.event_log import AsyncRedisEventLog, RedisEventLog, Retention
from services.common.frame_log import BEGINNING, LogId
from services.query_gateway.events.endings import Endings
from services.query_gateway.events.feed import EventFeed
from services.query_gateway.events.store import EventStore
from services.query_gateway.gateway import Gateway
from services.query_gateway.known_cameras import KnownCameras
from tests.support.event_messages import OPENED_MS, closed, note, opened, updated
from tests.support.gateway import register, running_gateway
from tests.support.tokens import write_tokens

OPENED = datetime.fromtimestamp(OPENED_MS / 1000, UTC)


@pytest.fixture
def log(redis_client: redis.Redis, gateway: Gateway) -> RedisEventLog:
    """As workers have it. Times of the tests' events are long ago: nothing expires by them."""
    return RedisEventLog(redis_client)


async def next_of(stream: AsyncEventStream) -> FollowedEvent:
    async with asyncio.timeout(5):
        return await anext(stream)


async def test_an_event_is_shown_as_its_last_message_left_it(
    client: AsyncHermesClient, log: RedisEventLog
) -> None:
    log.append(opened())
    log.append(updated(sentence="A person lies there."))
    (event,) = await client.events()
    assert (event.type, event.sentence, event.is_open) == ("updated", "A person lies there.", True)
    assert (event.opened, event.sequence, event.labels) == (OPENED, 2, {"team": "care"})
    assert [(frame.frame, frame.picture) for frame in event.evidence] == [(12, b"")]
    whole = await client.get_event("e1")
    assert [frame.picture for frame in whole.evidence] == [b"\xff\xd8 a picture"]
    log.append(closed())
    whole = await client.get_event("e1")
    assert (whole.type, whole.end, whole.is_open, whole.peak) == ("closed", "cleared", False, 0.95)
    assert whole.closed == OPENED + timedelta(seconds=60)
    assert (whole.sentence, len(whole.evidence)) == ("A person lies there.", 1)
    with pytest.raises(errors.EventNotFound, match="'other'"):
        await client.get_event("other")


async def test_lists_are_filtered_and_paged(
    client: AsyncHermesClient, log: RedisEventLog, redis_client: redis.Redis
) -> None:
    await client.add_camera("bed", "rtsp://camera/live", labels={"area": "ward"})
    for number in range(7):
        event = opened(f"e{number}", "bed" if number % 2 else "lobby", "fall" if number else "gate")
        event.opened.FromMilliseconds(OPENED_MS + 1000 * number)
        event.severity = SEVERITY_CRITICAL if number == 3 else SEVERITY_INFO
        log.append(event)
    over = closed("e5", 2, "bed")
    log.append(over)

    async def ids(filter_: EventFilter, limit: int = 0, before_id: str = "") -> str:
        found = await client.events(filter_, limit=limit, before_id=before_id)
        return "".join(event.id[1:] for event in found)

    everything = EventFilter()
    assert await ids(everything) == "6543210"
    assert await ids(everything, 3) == "654"
    assert await ids(everything, 3, "e4") == "321"
    assert await ids(everything, 3, "e0") == ""
    assert await ids(everything, 3, "gone") == ""
    assert await ids(EventFilter(watch_ids=("gate", "other"))) == "0"
    assert await ids(EventFilter(camera_ids=("lobby",)), 2, "e6") == "42"
    assert await ids(EventFilter(selector="area=ward")) == "531"
    assert await ids(EventFilter(at_least="warning")) == "3"
    assert await ids(EventFilter(camera_ids=("bed",), only_open=True)) == "31"
    second = timedelta(seconds=1)
    between = EventFilter(opened_after=OPENED + second, opened_before=OPENED + 4 * second)
    assert await ids(between) == "32"
    with pytest.raises(errors.InvalidInput, match="limit"):
        await client.events(limit=1001)
    with pytest.raises(errors.InvalidInput, match=r"filter.cameras.labels"):
        await client.events(EventFilter(selector="a in"))


async def test_messages_are_followed_as_they_come_and_resumed(
    client: AsyncHermesClient, log: RedisEventLog
) -> None:
    log.append(opened("before"))
    async with client.follow_events() as stream:
        waiting = asyncio.ensure_future(next_of(stream))
        await asyncio.sleep(0.2)
        log.append(opened())
        first = await waiting
        assert (first.event.id, first.event.type, first.missed) == ("e1", "opened", False)
        assert first.event.evidence[0].picture
    log.append(updated(sentence="A person lies there."))
    log.append(closed())
    async with client.follow_events(after=first.position) as stream:
        followed = [await next_of(stream) for _ in range(2)]
        assert [one.event.type for one in followed] == ["updated", "closed"]
        log.append(note())
        assert (await next_of(stream)).event.type == "note"
    async with client.follow_events(after="0") as stream:
        kept = [(await next_of(stream)).event for _ in range(5)]
        assert [event.id for event in kept] == ["before", "e1", "e1", "e1", "n1"]
    for wrong in ("yesterday", "1-2-3"):
        with pytest.raises(errors.InvalidInput, match="after"):
            await next_of(client.follow_events(after=wrong))


async def test_a_follower_gets_what_its_filter_accepts(
    client: AsyncHermesClient, log: RedisEventLog
) -> None:
    wanted = EventFilter(watch_ids=("gate",), at_least="warning")
    async with client.follow_events(wanted, after="0") as stream:
        log.append(opened("e1", watch_id="fall"))
        log.append(opened("e2", watch_id="gate", severity=SEVERITY_INFO))
        log.append(opened("e3", watch_id="gate"))
        assert (await next_of(stream)).event.id == "e3"


async def followed(redis_url: str, after: str, count: int) -> list[tuple[str, bool]]:
    """What a gateway that has just started sends: ids, and whether something was missed."""
    async with (
        running_gateway(redis_url) as gateway,
        AsyncHermesClient(f"127.0.0.1:{gateway.port}") as client,
    ):
        stream = client.follow_events(after=after)
        found = [await next_of(stream) for _ in range(count)]
        stream.cancel()
    return [(one.event.id, one.missed) for one in found]


async def test_a_follower_is_told_what_is_no_longer_kept(
    redis_url: str, redis_client: redis.Redis
) -> None:
    few = RedisEventLog(redis_client, Retention(most=2))
    first, second, third, *_ = [few.append(opened(f"e{n}")).position for n in range(5)]
    assert await followed(redis_url, first, 2) == [("e3", True), ("e4", False)]
    assert await followed(redis_url, second, 1) == [("e3", True)]
    assert await followed(redis_url, third, 1) == [("e3", False)]  # that one itself was trimmed
    assert await followed(redis_url, "0", 1) == [("e3", False)]


async def test_messages_that_were_lost_with_redis_are_missed(
    redis_url: str, redis_client: redis.Redis
) -> None:
    log = RedisEventLog(redis_client)
    first = log.append(opened("e0")).position
    redis_client.delete(keys.EVENTS)
    await asyncio.sleep(0.01)  # ids are milliseconds
    log.append(opened("e1"))
    assert await followed(redis_url, first, 1) == [("e1", True)]


async def test_an_entry_that_makes_no_sense_is_passed_over(
    client: AsyncHermesClient, redis_client: redis.Redis, log: RedisEventLog
) -> None:
    redis_client.xadd(keys.EVENTS, {"e": b"\xff\xff"})
    redis_client.xadd(keys.EVENTS, {"other": b"1"})
    redis_client.zadd(keys.EVENTS_INDEX, {"garbage": 1, "w/c/1/none": 2})
    log.append(opened())
    async with client.follow_events(after="0") as stream:
        assert (await next_of(stream)).event.id == "e1"
    assert [event.id for event in await client.events()] == ["e1"]


async def test_one_acknowledges_and_the_first_stays(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    for name in ("dock-1", "vault"):
        register(redis_client, name)
    log = RedisEventLog(redis_client)
    log.append(opened("e1", "dock-1"))
    log.append(opened("e2", "vault"))
    tokens = write_tokens(
        tmp_path / "tokens.yaml",
        alice="read:dock-* ack:dock-*",
        bob="read:* ack:*",
        wall="read:dock-*",
    )
    async with running_gateway(redis_url, tokens_file=tmp_path / "tokens.yaml") as gateway:

        def of(name: str) -> AsyncHermesClient:
            return AsyncHermesClient(f"127.0.0.1:{gateway.port}", token=tokens[name])

        async with of("alice") as alice, of("bob") as bob, of("wall") as wall:
            with pytest.raises(errors.PermissionDenied, match="ack:"):
                await wall.acknowledge("e1")
            stream = bob.follow_events()
            following = asyncio.ensure_future(next_of(stream))
            await asyncio.sleep(0.2)
            event = await alice.acknowledge("e1", "On my way.")
            said = event.acknowledgement
            assert said is not None
            assert (said.by, said.note, event.type) == ("alice", "On my way.", "updated")
            seen = (await following).event
            assert (seen.type, seen.acknowledgement, seen.sequence) == ("updated", said, 2)
            stream.cancel()
            assert (await bob.acknowledge("e1", "Me too.")).acknowledgement == said
            log.append(closed("e1", 2, "dock-1"))
            last = await bob.get_event("e1")
            assert (last.type, last.acknowledgement, last.sequence) == ("closed", said, 3)
            for hidden in (alice.get_event, alice.acknowledge):
                with pytest.raises(errors.EventNotFound):
                    await hidden("e2")
            assert [event.id for event in await alice.events()] == ["e1"]
            async with alice.follow_events(after="0") as stream:
                log.append(opened("e3", "vault"))
                log.append(note("n1", "dock-1"))
                got = [(await next_of(stream)).event.id for _ in range(4)]
                assert got == ["e1", "e1", "e1", "n1"]
            with pytest.raises(errors.InvalidInput, match="note"):
                await bob.acknowledge("e1", "x" * 1001)


async def test_events_of_a_removed_camera_end(
    client: AsyncHermesClient, log: RedisEventLog, redis_client: redis.Redis
) -> None:
    await client.add_camera("bed", "rtsp://camera/live")
    log.append(opened("e1", "bed"))
    await client.remove_camera("bed")
    async with client.follow_events(after="0") as stream:
        await next_of(stream)
        async with asyncio.timeout(20):
            ended = await anext(stream)
    assert (ended.event.type, ended.event.end) == ("closed", "camera")
    assert redis_client.hlen(keys.EVENTS_OPEN) == 0


async def test_events_of_a_camera_that_was_added_again_end_but_not_its_own(
    client: AsyncHermesClient, redis_url: str, redis_client: redis.Redis, log: RedisEventLog
) -> None:
    """However soon it came again, and though the frames of a recording are old."""
    await client.add_camera("bed", "rtsp://camera/live")
    log.append(opened("e1", "bed"))
    await client.remove_camera("bed")
    await client.add_camera("bed", "rtsp://camera/live")
    late = opened("e2", "bed")
    late.lag.FromMilliseconds(round(time.time() * 1000) - late.opened.ToMilliseconds() + 2000)
    log.append(late)
    log.append(opened("e3", "attic"))
    await client.add_camera("attic", "rtsp://camera/live")
    ours = connect_async(redis_url)
    await Endings(EventStore(ours), AsyncRedisEventLog(ours), KnownCameras(ours)).step()
    assert sorted(redis_client.hkeys(keys.EVENTS_OPEN)) == [b"e2", b"e3"]
    ended = await EventStore(ours).get("e1")
    await ours.aclose()
    assert ended is not None
    assert ended.end == EVENT_END_CAMERA


async def test_events_of_a_camera_that_redis_forgot_do_not_end(
    client: AsyncHermesClient, redis_url: str, redis_client: redis.Redis, log: RedisEventLog
) -> None:
    await client.add_camera("bed", "rtsp://camera/live")
    log.append(opened("e1", "bed"))
    redis_client.delete(keys.CAMERAS)
    ours = connect_async(redis_url)
    await Endings(EventStore(ours), AsyncRedisEventLog(ours), KnownCameras(ours)).step()
    await ours.aclose()
    assert redis_client.hkeys(keys.EVENTS_OPEN) == [b"e1"]


async def test_followers_of_a_gateway_that_stops_are_told_so(
    redis_url: str, redis_client: redis.Redis
) -> None:
    async with running_gateway(redis_url, drain_grace_s=20) as gateway:
        client = AsyncHermesClient(f"127.0.0.1:{gateway.port}")
        following = asyncio.ensure_future(next_of(client.follow_events()))
        await asyncio.sleep(0.2)
        async with asyncio.timeout(5):
            await gateway.stop()
    with pytest.raises(errors.Unavailable, match="about to stop"):
        await following
    await client.close()


async def test_many_followers_share_one_reader(
    client: AsyncHermesClient, log: RedisEventLog, redis_client: redis.Redis
) -> None:
    streams = [client.follow_events() for _ in range(50)]
    tasks = [asyncio.ensure_future(next_of(stream)) for stream in streams]
    await asyncio.sleep(0.3)
    with reads_of(redis_client) as reads:
        log.append(opened())
        got = await asyncio.gather(*tasks)
    assert {one.event.id for one in got} == {"e1"}
    assert reads() <= 3
    for stream in streams:
        stream.cancel()


@contextmanager
def reads_of(client: redis.Redis) -> Iterator[Callable[[], int]]:
    """Counts the reads of a stream."""
    client.config_resetstat()

    def count() -> int:
        stats = client.info("commandstats")
        names = ("cmdstat_xread", "cmdstat_xrange")
        return sum(int(stats.get(name, {"calls": 0})["calls"]) for name in names)

    yield count


async def test_a_follower_of_nothing_hears_a_heartbeat_and_its_token_may_expire(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.query_gateway.gateway.HEARTBEAT_S", 0.2)
    file = tmp_path / "tokens.yaml"
    token = write_tokens(file, alice="read:bed")["alice"]
    async with running_gateway(redis_url, tokens_file=file) as gateway:
        client = AsyncHermesClient(f"127.0.0.1:{gateway.port}", token=token)
        stream = client.follow_events()
        following = asyncio.ensure_future(next_of(stream))
        other = RedisEventLog(redis_client).append(opened("e1", "vault"))
        async with asyncio.timeout(5):
            while stream.position != other.position:
                await asyncio.sleep(0.05)
        write_tokens(file, bob="read:bed")
        with pytest.raises(errors.Unauthenticated):
            await following
        await client.close()


async def test_one_that_is_behind_the_window_reads_the_stream_by_itself(
    redis_client: redis.Redis, redis_url: str
) -> None:
    log, client = RedisEventLog(redis_client), connect_async(redis_url)
    store = EventStore(client)
    feed = EventFeed(store, most_messages=2)
    await feed.step()  # nothing is there yet
    assert feed.last == BEGINNING
    places = [LogId.parse(log.append(opened(f"e{n}")).position) for n in range(5)]
    await feed.step()
    assert (feed.has_all_after(places[2]), feed.has_all_after(places[1])) == (True, False)
    for after, expected in ((BEGINNING, 5), (places[1], 3), (places[2], 2), (places[3], 1)):
        assert [m.position for m in await feed.after(after, 0.1)] == places[5 - expected :]
    assert await feed.after(places[4], 0.05) == []
    small = EventFeed(store, most_bytes=1)
    await small.step()
    await client.aclose()
