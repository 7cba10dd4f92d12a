"""What answers in place of an Alertmanager or a broker is hostile or broken.

Every message arrives in the end, in order, and another sink gets its own meanwhile. Webhooks have
the same test among theirs.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import redis

from services.cli.redis_server import free_port
from tests.support import events, hostile_broker, mosquitto
from tests.support import webhook_receiver as receivers
from tests.support.hostile_broker import HostileBroker
from tests.support.mosquitto import Subscriber
from tests.support.notifiers import notifying, sinks_file, soon, webhook
from tests.support.webhook_receiver import WebhookReceiver

COMMON = {"allow_private": True, "timeout_s": 0.5}


async def test_what_answers_for_an_alertmanager_holds_up_nothing(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    hostile = [
        500, receivers.REDIRECT, receivers.HALF, receivers.SHUT, receivers.SLOW,
        receivers.NO_HTTP, receivers.LONG_HEADER,
    ]  # fmt: skip
    begun = [events.opened(number, f"cam-{number}") for number in range(len(hostile))]
    wanted = [*begun, *map(events.closed, begun)]
    with WebhookReceiver(always=receivers.SLOW) as bad, WebhookReceiver() as good:
        url = f"http://127.0.0.1:{bad.port}"
        oncall = {"name": "oncall", "kind": "alertmanager", "url": url, **COMMON}
        async with notifying(redis_url, sinks_file(tmp_path, oncall, webhook("good", good.url))):
            events.write(redis_client, *wanted)
            await soon(lambda: len(good.taken) == len(wanted))
            assert bad.taken == [], "it had answered nothing by then"
            bad.behaviours, bad.always = hostile, receivers.OK
            await soon(lambda: len(bad.taken) == len(wanted))
    posted = [json.loads(taken.body)[-1] for taken in bad.taken]
    for event in begun:
        ours = [one for one in posted if one["labels"]["camera"] == event.camera_id]
        assert ["endsAt" in one for one in ours] == [False, True]
    assert set(bad.paths) == {"/api/v2/alerts"}, "no redirect was followed"


@pytest.mark.parametrize(
    "behaviour",
    [
        hostile_broker.CUTS,
        *(
            pytest.param(one, marks=pytest.mark.slow)
            for one in (
                hostile_broker.SILENT,
                hostile_broker.SHUT,
                hostile_broker.HALF,
                hostile_broker.NO_MQTT,
                hostile_broker.REFUSES,
            )
        ),
    ],
)
async def test_what_answers_for_a_broker_holds_up_nothing(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path, behaviour: str
) -> None:
    pytest.importorskip("aiomqtt", reason="no aiomqtt: pip install 'hermes-live[notifier]'")
    first = events.opened()
    wanted = [first, events.updated(first), events.closed(first)]
    port = free_port()
    with (
        mosquitto.running(tmp_path / "broker", port),
        Subscriber(port) as home,
        HostileBroker(port, behaviour) as bad,
        WebhookReceiver() as good,
    ):
        sink = {"name": "home", "kind": "mqtt", "host": "127.0.0.1", "port": bad.port, **COMMON}
        async with notifying(redis_url, sinks_file(tmp_path, sink, webhook("good", good.url))):
            events.write(redis_client, *wanted)
            await soon(lambda: len(good.taken) == len(wanted))
            await soon(lambda: len({one["type"] for one in home.events}) == len(wanted))
        assert bad.behaviours == []
    assert list(dict.fromkeys(one["type"] for one in home.events)) == ["new", "update", "end"]
