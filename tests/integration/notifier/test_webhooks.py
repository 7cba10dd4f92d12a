"""Messages to webhooks over a real Redis: receivers that are hostile, broken, slow or well."""

from __future__ import annotations

import time
from pathlib import Path

import redis

from hermes.v1.event_pb2 import Event
from services.common import keys
from services.notifier.dead_letters import DeadLetters
from services.notifier.feed import group
from tests.support import events
from tests.support import webhook_receiver as receivers
from tests.support.certificates import Authority
from tests.support.notifiers import notifying, sinks_file, soon, webhook
from tests.support.webhook_receiver import WebhookReceiver


def ids_of(*them: Event) -> list[str]:
    return [events.message(one).id for one in them]


def unacknowledged(client: redis.Redis, sink: str) -> int:
    summary = client.xpending(keys.EVENTS, group(sink))
    return int(summary["pending"])


async def test_each_sink_gets_what_is_meant_for_it_in_order(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    first, only = events.opened(), events.opened(2, watch="gate", sinks=["b"])
    wanted = [first, events.updated(first), only, events.closed(first)]
    with WebhookReceiver() as a, WebhookReceiver() as b:
        file = sinks_file(tmp_path, webhook("a", a.url), webhook("b", b.url))
        events.write(redis_client, *wanted[:2])
        redis_client.xadd(keys.EVENTS, {"other": b"shape"})
        redis_client.xadd(keys.EVENTS, {"e": b"\xff"})
        async with notifying(redis_url, file) as metrics:
            dead = {"sink": "b", "outcome": "dead"}  # what an alert reads
            assert metrics.registry.get_sample_value("hermes_notifications_total", dead) == 0
            events.write(redis_client, *wanted[2:])
            await soon(lambda: len(a.taken) == 3 and len(b.taken) == 4)
            await soon(lambda: unacknowledged(redis_client, "a") == 0)
        assert a.ids == ids_of(wanted[0], wanted[1], wanted[3])
        assert set(b.ids) == set(ids_of(*wanted))
        (opened, *_) = a.taken
        assert opened.headers["Content-Type"].startswith("application/cloudevents+json")
        assert opened.event["type"] == "live.hermes.event.opened"
        assert opened.headers["webhook-id"] == opened.event["id"]
        labels = {"sink": "a", "outcome": "unreadable"}
        assert metrics.registry.get_sample_value("hermes_notifications_total", labels) == 2


async def test_hostile_receivers_get_their_messages_in_the_end_and_hold_up_no_other_sink(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    hostile = [
        500, receivers.REDIRECT, receivers.HALF, receivers.SHUT, receivers.SLOW,
        receivers.NO_HTTP, receivers.LONG_HEADER, receivers.HUGE,
    ]  # fmt: skip
    first = events.opened()
    messages = [first, events.updated(first), events.closed(first)]
    many = [events.opened(n, camera=f"cam-{n}") for n in range(20)]
    with WebhookReceiver(always=receivers.SLOW) as bad, WebhookReceiver() as good:
        file = sinks_file(
            tmp_path, webhook("bad", bad.url, timeout_s=0.5, at_once=2), webhook("good", good.url)
        )
        async with notifying(redis_url, file):
            events.write(redis_client, *messages, *many)
            await soon(lambda: len(good.taken) == len(messages) + len(many))
            assert bad.taken == [], "it had answered nothing by then"
            bad.behaviours, bad.always = hostile, receivers.OK
            await soon(lambda: len(bad.taken) == len(messages) + len(many), 60)
            await soon(lambda: unacknowledged(redis_client, "bad") == 0)
        wanted = ids_of(*messages, *many)
        assert sorted(bad.ids) == sorted(wanted), "each once: none was taken and sent again"
        assert [one for one in bad.ids if one in wanted[:3]] == wanted[:3]
        assert set(bad.paths) == {"/hook"}, "no redirect was followed"


async def test_what_is_refused_becomes_a_dead_letter_and_can_be_sent_again(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    first, second = events.opened(), events.opened(2)
    with WebhookReceiver([410]) as receiver:
        file = sinks_file(tmp_path, webhook("a", receiver.url))
        async with notifying(redis_url, file):
            events.write(redis_client, first, second)
            await soon(lambda: receiver.ids == ids_of(second))
            letters = DeadLetters(redis_client, "a")
            (letter,) = letters.all()
            assert letter.why == "the receiver answered 410: because"
            assert (letter.event_id, letter.type) == (first.id, "opened")
            assert letters.resend([letter.position]) == 1
            await soon(lambda: receiver.ids == ids_of(second, first))
            await soon(lambda: redis_client.xlen(keys.resend("a")) == 0)
        assert letters.all() == []


async def test_a_private_address_needs_the_switch(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    with WebhookReceiver() as receiver:
        sink = webhook("a", receiver.url, allow_private=False, give_up_after_s=0)
        async with notifying(redis_url, sinks_file(tmp_path, sink)):
            events.write(redis_client, events.opened())
            await soon(lambda: redis_client.xlen(keys.dead_letters("a")) == 1)
        assert receiver.paths == []
        ((_, fields),) = events.kept(redis_client, keys.dead_letters("a"))
        assert b"not allowed" in fields[b"why"]


async def test_the_certificate_is_checked_for_the_name_and_a_login_is_shown(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    authority = Authority("receivers")
    right = authority.issue(tmp_path / "right", "localhost")
    wrong = authority.issue(tmp_path / "wrong", "elsewhere.example")  # and 127.0.0.1, as the other
    (tmp_path / "token").write_text("sesame-open")
    with WebhookReceiver(tls=right) as a, WebhookReceiver(tls=wrong) as b:
        tls = {"ca_file": str(right.ca), "token_file": "token", "timeout_s": 5}
        file = sinks_file(
            tmp_path,
            webhook("a", a.url, **tls),
            webhook("b", b.url, **tls, give_up_after_s=0),
            webhook("c", a.url, give_up_after_s=0, timeout_s=5),
        )
        async with notifying(redis_url, file):
            events.write(redis_client, events.opened())
            await soon(lambda: a.taken)
            await soon(lambda: redis_client.xlen(keys.dead_letters("b")) == 1)
            await soon(lambda: redis_client.xlen(keys.dead_letters("c")) == 1)
        assert a.taken[0].headers["Authorization"] == "Bearer sesame-open"
        assert b.taken == []
    for sink in ("b", "c"):
        (letter,) = DeadLetters(redis_client, sink).all()
        assert letter.why == "TLS failed: CERTIFICATE_VERIFY_FAILED"


async def test_a_receiver_that_asks_to_wait_is_left_alone_meanwhile(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    with WebhookReceiver([(429, 2)]) as receiver:
        async with notifying(
            redis_url, sinks_file(tmp_path, webhook("a", receiver.url, at_once=1))
        ):
            events.write(redis_client, events.opened(), events.opened(1, camera="other"))
            await soon(lambda: receiver.paths)
            began = time.monotonic()
            await soon(lambda: len(receiver.taken) == 2)
            assert time.monotonic() - began > 1.8
            assert len(receiver.paths) == 3
