"""Messages to a real MQTT broker."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import redis

from hermes.v1.watch_pb2 import Number, Watch
from services.cli.redis_server import free_port
from services.common import keys
from tests.support import events, mosquitto
from tests.support.certificates import Authority
from tests.support.mosquitto import Subscriber
from tests.support.notifiers import notifier_process, notifying, sinks_file, soon
from tests.support.waiting import eventually

pytest.importorskip("aiomqtt", reason="no aiomqtt: pip install 'hermes-live[notifier]'")

STATE = "hermes/fall/ward-3/state"


def sink(port: int, **more: Any) -> dict[str, Any]:
    return {
        "name": "home", "kind": "mqtt", "host": "127.0.0.1", "port": port,
        "allow_private": True, "timeout_s": 2, **more,
    }  # fmt: skip


async def test_a_watch_and_camera_have_a_state_and_every_message_is_an_event(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    port = free_port()
    first = events.opened()
    with mosquitto.running(tmp_path / "broker", port), Subscriber(port) as home:
        async with notifying(redis_url, sinks_file(tmp_path, sink(port, discovery=True))):
            events.write(redis_client, first)
            await soon(lambda: home.json(STATE).get("state") == "ON")
            assert home.last["hermes/available"] == b"online"
            assert home.last["hermes/fall/ward-3/snapshot"] == events.PICTURE
            events.write(redis_client, events.updated(first), events.closed(first))
            await soon(lambda: len(home.events) == 3)
        await soon(lambda: home.last["hermes/available"] == b"offline")
    assert home.json(STATE)["state"] == "OFF"
    assert [one["type"] for one in home.events] == ["new", "update", "end"]
    assert home.events[1]["before"]["sentence"] == ""
    assert home.events[1]["after"]["sentence"]
    (topic,) = [topic for topic in home.last if topic.startswith("homeassistant/")]
    assert home.json(topic)["state_topic"] == STATE


async def test_a_watch_of_a_number_has_a_sensor_of_it(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    """Though its value could be a probability."""
    port = free_port()
    watch = Watch(id="queue", number=Number())
    redis_client.hset(keys.WATCHES, "queue", watch.SerializeToString())
    with mosquitto.running(tmp_path / "broker", port), Subscriber(port) as home:
        async with notifying(redis_url, sinks_file(tmp_path, sink(port, discovery=True))):
            events.write(redis_client, events.opened(watch="queue"), events.opened())
            await soon(lambda: len(home.events) == 2)
    found = [topic for topic in home.last if topic.startswith("homeassistant/sensor/")]
    assert [home.json(topic)["name"] for topic in found] == ["queue value"]


async def test_a_broker_that_forgot_everything_is_told_again(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    port = free_port()
    first = events.opened()
    async with notifying(redis_url, sinks_file(tmp_path, sink(port))):
        events.write(redis_client, first)  # before there is a broker
        with mosquitto.running(tmp_path / "broker", port), Subscriber(port) as home:
            await soon(lambda: home.json(STATE).get("state") == "ON")
        events.write(redis_client, events.updated(first))
        with mosquitto.running(tmp_path / "broker", port), Subscriber(port) as home:
            await soon(lambda: home.json(STATE).get("sentence"))
            await soon(lambda: home.last["hermes/available"] == b"online")


@pytest.mark.slow  # two processes, one after the other; the tests above have an orderly end
def test_a_killed_instance_is_offline_until_the_next_is_online(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    port = free_port()
    file = sinks_file(tmp_path, sink(port, keepalive_s=5))
    with mosquitto.running(tmp_path / "broker", port), Subscriber(port) as home:
        with notifier_process(redis_url, file, tmp_path / "log", lease_s=1) as first:
            eventually(lambda: home.last.get("hermes/available") == b"online")
            events.write(redis_client, events.opened())
            eventually(lambda: home.json(STATE).get("state") == "ON")
            first.send_signal(signal.SIGKILL)
            eventually(lambda: home.last["hermes/available"] == b"offline")
        with notifier_process(redis_url, file, tmp_path / "log", lease_s=1):
            eventually(lambda: home.last["hermes/available"] == b"online")
            events.write(redis_client, events.closed(events.opened()))
            eventually(lambda: home.json(STATE).get("state") == "OFF")
            assert [one["type"] for one in home.events] == ["new", "end"]
            assert home.events[1]["before"]["end_time"] is None, "the next knows what was before"


async def test_tls_for_the_name_and_a_password(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    port, other, folder = free_port(), free_port(), tmp_path / "broker"
    authority = Authority("brokers")
    files = authority.issue(tmp_path / "tls", "localhost")
    for_other = authority.issue(tmp_path / "other", "broker.example")
    folder.mkdir()
    passwords = folder / "passwords"
    passwords.touch(mode=0o600)
    subprocess.run(
        [mosquitto.need("mosquitto_passwd"), "-b", passwords, "hermes", "sesame"], check=True
    )
    (tmp_path / "right").write_text("sesame\n")
    (tmp_path / "wrong").write_text("barley\n")
    tls = {"host": "localhost", "tls": True, "ca_file": str(files.ca), "username": "hermes"}
    lines = (
        f"cafile {files.ca}", f"certfile {files.cert}", f"keyfile {files.key}",
        "allow_anonymous false", f"password_file {passwords}",
        f"listener {other} 127.0.0.1",
        f"cafile {files.ca}", f"certfile {for_other.cert}", f"keyfile {for_other.key}",
    )  # fmt: skip
    file = sinks_file(
        tmp_path,
        sink(port, **tls, password_file="right"),
        {**sink(port, **tls, password_file="wrong", give_up_after_s=0), "name": "wrong"},
        {**sink(other, **tls, password_file="right", give_up_after_s=0), "name": "elsewhere"},
    )  # fmt: skip
    with mosquitto.running(folder, port, *lines):
        async with notifying(redis_url, file) as metrics:
            events.write(redis_client, events.opened())

            def count(name: str, outcome: str) -> float | None:
                labels = {"sink": name, "outcome": outcome}
                return metrics.registry.get_sample_value("hermes_notifications_total", labels)

            await soon(lambda: count("home", "delivered") == 1)
            for name in ("wrong", "elsewhere"):
                await soon(lambda name=name: redis_client.xlen(keys.dead_letters(name)))  # type: ignore[misc]
    (refused,), (unnamed,) = (
        events.kept(redis_client, keys.dead_letters(name)) for name in ("wrong", "elsewhere")
    )
    assert b"authori" in refused[1][b"why"]
    assert b"certificate is not valid for 'localhost'" in unnamed[1][b"why"], (
        "though it is valid for the address that was connected to"
    )
