"""Notifiers, Redis and receivers die again and again: every message arrives, and in order."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from hermes.v1.event_pb2 import Event
from services.cli.redis_server import LocalRedis
from services.common import keys
from tests.chaos.conftest import HANGS_S
from tests.support import events
from tests.support import webhook_receiver as receivers
from tests.support.notifiers import notifier_process, sinks_file, webhook
from tests.support.waiting import eventually
from tests.support.webhook_receiver import WebhookReceiver

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(HANGS_S)]

SECONDS = 60.0
CAMERAS = [f"cam-{number}" for number in range(6)]
FAULTS = [
    500, 503, (429, 1), receivers.HALF, receivers.SHUT, receivers.SLOW, receivers.REDIRECT,
    receivers.HUGE, receivers.NO_HTTP,
]  # fmt: skip


def story(number: int, camera: str) -> list[Event]:
    first = events.opened(number, camera)
    return [first, events.updated(first), events.closed(first)]


def write(client: redis.Redis, event: Event) -> None:
    """As a worker does, until Redis has it: perhaps twice."""

    def written() -> bool:
        client.xadd(keys.EVENTS, {"e": event.SerializeToString()})
        return True

    eventually(written)


@pytest.mark.parametrize("seed", [1, 2])
def test_every_message_arrives_in_order(own_redis: LocalRedis, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    client = redis.Redis.from_url(own_redis.url)
    wanted: list[Event] = []
    with WebhookReceiver() as bad, WebhookReceiver() as good, ExitStack() as stack:
        file = sinks_file(
            tmp_path, webhook("bad", bad.url, timeout_s=0.5), webhook("good", good.url)
        )

        def start() -> ExitStack:
            of_one = stack.enter_context(ExitStack())
            of_one.enter_context(notifier_process(own_redis.url, file, tmp_path / "log", lease_s=1))
            return of_one

        instances = [start(), start()]
        began, number = time.monotonic(), 0
        next_kill_s, next_redis_s = 4.0, 9.0
        while (passed_s := time.monotonic() - began) < SECONDS:
            number += 1
            for event in story(number, rng.choice(CAMERAS)):
                write(client, event)
                wanted.append(event)
            bad.behaviours = [rng.choice(FAULTS) for _ in range(rng.randrange(4))]
            time.sleep(rng.random() * 0.3)
            if passed_s > next_kill_s:
                next_kill_s += rng.uniform(2, 6)
                instances.pop(rng.randrange(2)).close()  # kill -9
                instances.append(start())
            if passed_s > next_redis_s:
                next_redis_s += rng.uniform(5, 12)
                assert own_redis.process is not None
                own_redis.process.kill()
                own_redis.process.wait()
                own_redis.start_again()
        bad.behaviours = []
        everything = {events.message(one).id for one in wanted}
        for receiver in (good, bad):
            wait_for_all(receiver, everything)
            check_order(receiver, wanted)
            extra = len(receiver.ids) - len(everything)
            print(f"{len(everything)} messages, {extra} of them again")
            assert extra < len(everything) / 4
        assert client.xlen(keys.dead_letters("bad")) == 0
    client.close()


def wait_for_all(receiver: WebhookReceiver, wanted: set[str]) -> None:
    """Until all have arrived; as long as some come, it waits for the others."""
    while missing := wanted - set(receiver.ids):
        before = len(receiver.ids)
        eventually(
            lambda: len(receiver.ids) > before or wanted <= set(receiver.ids),  # noqa: B023
            120,
            f"one of {len(missing)} of {len(wanted)} messages that have not arrived",
        )
    assert set(receiver.ids) == wanted


def check_order(receiver: WebhookReceiver, wanted: list[Event]) -> None:
    """Of each camera, the messages came for the first time in the order of the stream."""
    taken = [(one.event["subject"], one.headers["webhook-id"]) for one in list(receiver.taken)]
    for camera in CAMERAS:
        arrived = list(dict.fromkeys(id for subject, id in taken if subject == camera))
        assert arrived == [events.message(one).id for one in wanted if one.camera_id == camera]
