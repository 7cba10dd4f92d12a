"""What dies and comes back: instances of the notifier, Redis, and sinks. Nothing is lost."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
import redis

from hermes.v1.event_pb2 import Event
from services.cli.redis_server import LocalRedis
from services.common import keys
from tests.support import events
from tests.support.notifiers import notifier_process, notifying, sinks_file, soon, webhook
from tests.support.waiting import eventually
from tests.support.webhook_receiver import SLOW, WebhookReceiver

CAMERAS = ("a", "b", "c")


def stories(first: int, count: int) -> list[Event]:
    """Events that open and close on three cameras, their messages between each other."""
    messages: list[Event] = []
    for number in range(first, first + count):
        begun = [events.opened(number, camera) for camera in CAMERAS]
        messages += [*begun, *map(events.updated, begun), *map(events.closed, begun)]
    return messages


def check(receiver: WebhookReceiver, wanted: Sequence[Event], *, most_repeated: int = 0) -> None:
    """All arrived; of each camera, each for the first time in order."""
    assert set(receiver.ids) == {events.message(one).id for one in wanted}
    assert len(receiver.ids) - len(set(receiver.ids)) <= most_repeated
    for camera in CAMERAS:
        arrived = [
            taken.headers["webhook-id"]
            for taken in receiver.taken
            if taken.event["subject"] == camera
        ]
        assert list(dict.fromkeys(arrived)) == [
            events.message(one).id for one in wanted if one.camera_id == camera
        ]


async def test_instances_share_sinks_and_an_orderly_end_repeats_nothing(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    wanted = stories(0, 4)
    with WebhookReceiver() as receiver:
        file = sinks_file(tmp_path, webhook("a", receiver.url))
        async with notifying(redis_url, file, lease_s=2):
            async with notifying(redis_url, file, lease_s=2):
                events.write(redis_client, *wanted[:18])
                await soon(lambda: len(receiver.taken) == 18)
            events.write(redis_client, *wanted[18:])
            await soon(lambda: len(receiver.taken) == len(wanted))
    check(receiver, wanted)


def test_a_killed_instance_is_followed_by_another(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    wanted = stories(0, 6)
    with WebhookReceiver() as receiver:
        text = sinks_file(tmp_path, webhook("a", receiver.url, at_once=2))
        log = tmp_path / "log"
        one = notifier_process(redis_url, text, log, lease_s=1)
        other = notifier_process(redis_url, text, log, lease_s=1)
        with one as first:
            eventually(lambda: redis_client.exists(keys.notifier_owner("a")))
            with other:
                events.write(redis_client, *wanted[:27])
                eventually(lambda: len(receiver.taken) >= 9)
                receiver.always = SLOW  # so that some are under way
                first.send_signal(signal.SIGKILL)
                events.write(redis_client, *wanted[27:])
                receiver.always = "ok"
                eventually(lambda: len(set(receiver.ids)) == len(wanted))
    check(receiver, wanted, most_repeated=len(CAMERAS))


@pytest.mark.slow  # the lease of one that is silent ends as of one that was killed, above
def test_an_instance_that_was_stopped_wakes_when_another_has_its_sinks(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    wanted = stories(0, 4)
    with WebhookReceiver() as receiver:
        file = sinks_file(tmp_path, webhook("a", receiver.url, at_once=2))
        log = tmp_path / "log"
        with notifier_process(redis_url, file, log, lease_s=1) as first:
            eventually(lambda: redis_client.exists(keys.notifier_owner("a")))
            with notifier_process(redis_url, file, log, lease_s=1):
                receiver.always = 503
                events.write(redis_client, *wanted[:18])
                eventually(lambda: len(receiver.paths) >= len(CAMERAS))
                first.send_signal(signal.SIGSTOP)  # with messages that it would try again
                receiver.always = "ok"
                eventually(lambda: len(set(receiver.ids)) == 18)
                first.send_signal(signal.SIGCONT)
                events.write(redis_client, *wanted[18:])
                eventually(lambda: len(set(receiver.ids)) == len(wanted))
    check(receiver, wanted, most_repeated=2)


async def test_redis_that_dies_and_comes_back_with_its_data(
    own_redis: LocalRedis, tmp_path: Path
) -> None:
    wanted = stories(0, 4)
    client = redis.Redis.from_url(own_redis.url)
    with WebhookReceiver() as receiver:
        file = sinks_file(tmp_path, webhook("a", receiver.url))
        async with notifying(own_redis.url, file, lease_s=2):
            events.write(client, *wanted[:18])
            await soon(lambda: len(receiver.taken) >= 4)
            assert own_redis.process is not None
            own_redis.process.kill()
            own_redis.process.wait()
            own_redis.start_again()
            await soon(own_redis.answers)
            kept = {fields[b"e"] for _, fields in events.kept(client, keys.EVENTS)}
            events.write(client, *(m for m in wanted if m.SerializeToString() not in kept))
            await soon(lambda: len(set(receiver.ids)) == len(wanted))
    client.close()
    check(receiver, wanted)


async def test_redis_that_lost_everything(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    wanted = stories(0, 2)
    with WebhookReceiver() as receiver:
        file = sinks_file(tmp_path, webhook("a", receiver.url))
        async with notifying(redis_url, file, lease_s=2, catch_up_s=0):
            await soon(lambda: redis_client.exists(keys.EVENTS))
            events.write(redis_client, *wanted[:9])
            await soon(lambda: len(receiver.taken) == 9)
            redis_client.flushdb()
            events.write(redis_client, *wanted[9:])
            await soon(lambda: len(receiver.taken) == len(wanted))
    check(receiver, wanted)


async def test_a_sink_that_is_away_gets_everything_when_it_is_back(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    wanted = stories(0, 3)
    with WebhookReceiver(always=503) as receiver:
        file = sinks_file(tmp_path, webhook("a", receiver.url))
        async with notifying(redis_url, file):
            events.write(redis_client, *wanted)
            await soon(lambda: len(receiver.paths) >= len(CAMERAS))
            receiver.always = "ok"
            await soon(lambda: len(receiver.taken) == len(wanted))
    check(receiver, wanted)


async def test_a_new_sink_begins_with_what_is_recent(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    old, recent = stories(0, 1)[:2]
    redis_client.xadd(keys.EVENTS, {"e": old.SerializeToString()}, id="1000-0")
    events.write(redis_client, recent)
    with WebhookReceiver() as receiver:
        async with notifying(redis_url, sinks_file(tmp_path, webhook("a", receiver.url))):
            await soon(lambda: receiver.taken)
    assert receiver.ids == [events.message(recent).id]
