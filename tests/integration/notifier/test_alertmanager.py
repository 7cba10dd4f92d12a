"""Messages to a real Alertmanager."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import redis

from hermes.v1.event_pb2 import Event
from services.cli.redis_server import free_port
from tests.support import alertmanager, events
from tests.support.notifiers import notifying, sinks_file, soon

LINK = "https://hermes.example/events/{event}"


def sink(url: str, **more: Any) -> dict[str, Any]:
    return {
        "name": "oncall", "kind": "alertmanager", "url": url, "allow_private": True,
        "timeout_s": 2, **more,
    }  # fmt: skip


def now_opened(camera: str = "ward-3") -> Event:
    """An event that began a moment ago."""
    event = events.opened(camera=camera)
    event.opened.FromMilliseconds(round(time.time() * 1000) - 5000)
    return event


async def test_an_alert_begins_is_refined_and_ends(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    port = free_port()
    first = now_opened()
    file = sinks_file(tmp_path, sink(f"http://127.0.0.1:{port}", least_s=0, link=LINK))
    async with notifying(redis_url, file):
        events.write(redis_client, first)  # before there is an Alertmanager
        with alertmanager.running(tmp_path / "am", port) as running:
            await soon(lambda: running.names() == {("fall", "ward-3")})
            (alert,) = running.alerts()
            assert alert["labels"]["severity"] == "critical"
            assert alert["labels"]["area"] == "ward"
            assert alert["annotations"]["question"] == first.question
            assert alert["generatorURL"] == f"https://hermes.example/events/{first.id}"
            events.write(redis_client, events.updated(first))
            await soon(lambda: "sentence" in running.alerts()[0]["annotations"])
            events.write(redis_client, events.closed(first, after_s=4))
            await soon(lambda: running.alerts() == [])


async def test_a_short_event_lasts_long_enough_to_be_noticed(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    port = free_port()
    first = now_opened()
    with alertmanager.running(tmp_path / "am", port) as running:
        file = sinks_file(tmp_path, sink(running.url, least_s=2))
        async with notifying(redis_url, file) as metrics:
            events.write(redis_client, first, events.closed(first, after_s=0.1))
            labels = {"sink": "oncall", "outcome": "delivered"}
            read = metrics.registry.get_sample_value
            await soon(lambda: read("hermes_notifications_total", labels) == 2)
            assert running.names() == {("fall", "ward-3")}
            await soon(lambda: running.alerts() == [])


@pytest.mark.slow  # Alertmanager counts in seconds
async def test_an_open_alert_is_kept_alive_by_each_owner_in_turn(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    """Alertmanager takes an alert for resolved two seconds after it was last sent."""
    port = free_port()
    with alertmanager.running(tmp_path / "am", port, resolve_timeout="2s") as running:
        file = sinks_file(tmp_path, sink(running.url, resend_every_s=1))
        async with notifying(redis_url, file):
            events.write(redis_client, now_opened())
            await soon(lambda: running.alerts() != [])
            (before,) = running.alerts()
        async with notifying(redis_url, file):
            await soon(lambda: running.alerts()[0]["endsAt"] > before["endsAt"])
            (later,) = running.alerts()
            await soon(lambda: running.alerts()[0]["endsAt"] > later["endsAt"])
        await soon(lambda: running.alerts() == [])


async def test_a_change_of_labels_ends_the_earlier_alert(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    port = free_port()
    first = now_opened()
    with alertmanager.running(tmp_path / "am", port) as running:
        async with notifying(redis_url, sinks_file(tmp_path, sink(running.url))):
            events.write(redis_client, first)
            await soon(lambda: running.alerts() != [])
            changed = events.updated(first)
            changed.labels["area"] = "hall"
            events.write(redis_client, changed)
            await soon(lambda: [a["labels"]["area"] for a in running.alerts()] == ["hall"])
