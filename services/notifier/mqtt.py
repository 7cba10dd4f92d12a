"""MQTT: one connection to a broker, made again whenever it ends."""

from __future__ import annotations

import asyncio
import json
import ssl
from contextlib import suppress
from typing import Any

import aiomqtt
import redis

from hermes.v1.event_pb2 import Event
from services.common import logs
from services.common.backoff import Backoff
from services.common.files import UnusableFile
from services.notifier.egress import Egress
from services.notifier.message import Message
from services.notifier.mqtt_payloads import (
    OFFLINE,
    ONLINE,
    Topics,
    discoveries,
    event_payload,
    picture,
    state,
)
from services.notifier.numbers import Numbers
from services.notifier.remembered import Remembered
from services.notifier.sink import Failed
from services.notifier.sink_config import MqttConfig

log = logs.get(__name__)

QOS = 1
BACKOFF_BASE_S = 0.5
BACKOFF_CAP_S = 30.0
GOODBYE_S = 2.0


class NamedContext(ssl.SSLContext):
    """Checks the certificate for a name, whatever address was connected to."""

    name: str
    last: ssl.SSLSocket | None = None

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        """As the base class does, for the name."""
        self.last = super().wrap_socket(*args, **{**options, "server_hostname": self.name})
        return self.last

    def close_last(self) -> None:
        """Close the last connection: the library forgets one whose handshake failed."""
        if self.last is not None:
            self.last.close()


class Mqtt:
    """An MQTT broker.

    All instances of the notifier connect with one client id: a broker then ends the connection
    of a former owner, and publishes its last will, before it takes the new one.
    """

    at_once = 4

    def __init__(
        self,
        config: MqttConfig,
        remembered: Remembered,
        numbers: Numbers,
        egress: Egress | None = None,
    ) -> None:
        """Raises `UnusableFile`."""
        self._config = config
        self._remembered = remembered
        self._numbers = numbers
        self._egress = egress or Egress(allow_private=config.allow_private)
        self._tls = _context(config) if config.tls else None
        self._topics = Topics(config.prefix, config.discovery_prefix)
        self._client: aiomqtt.Client | None = None
        self._connected = asyncio.Event()
        self._why = "it is not connected yet"

    def wants(self, message: Message) -> bool:
        """Everything."""
        return True

    async def run(self) -> None:
        """Stay connected."""
        backoff = Backoff(BACKOFF_BASE_S, BACKOFF_CAP_S)
        while True:
            try:
                addresses = await self._egress.addresses(self._config.host, self._config.used_port)
            except Failed as error:
                self._lost(error)
                addresses = []
            for address in addresses:
                try:
                    await self._stay_connected(address, backoff)
                except (aiomqtt.MqttError, UnusableFile, OSError, redis.RedisError) as error:
                    self._lost(error)
                    if self._tls is not None:
                        self._tls.close_last()
            await asyncio.sleep(backoff.next())

    async def deliver(self, message: Message) -> None:
        """Publish it; the broker has confirmed it on return. Raises `Failed` and RedisError."""
        client = await self._connection()
        event, topics = message.event, self._topics
        before = self._remembered.get(message.lane)
        payload = event_payload(
            message.type,
            event,
            None if before is None else before.event,
            over=message.over,
            was_over=before is not None and before.over,
        )
        try:
            await self._discover(client, event)
            if self._config.pictures and (jpeg := picture(event)):
                await self._publish(client, topics.snapshot(event), jpeg, retain=True)
            now = state(event, over=message.over)
            await self._publish(client, topics.state(event), now, retain=True)
            await self._publish(client, topics.events, payload, retain=False)
        except aiomqtt.MqttError as error:
            raise Failed(str(error)) from None
        await self._remembered.put(event)

    def _lost(self, error: Exception) -> None:
        why = str(error) or type(error).__name__
        if why != self._why:
            log.warning("broker_lost", sink=self._config.name, why=why)
        self._why = why

    async def _connection(self) -> aiomqtt.Client:
        try:
            async with asyncio.timeout(self._config.timeout_s):
                await self._connected.wait()
        except TimeoutError:
            raise Failed(f"no connection to the broker: {self._why}") from None
        assert self._client is not None
        return self._client

    async def _stay_connected(self, address: str, backoff: Backoff) -> None:
        """Connect, say that we are there and how things are, and wait for the end.

        Raises `MqttError` at the end.
        """
        config, topics = self._config, self._topics
        client = aiomqtt.Client(
            address,
            config.used_port,
            identifier=config.client_id or f"hermes-notifier-{config.name}",
            username=config.username or None,
            password=config.password(),
            keepalive=config.keepalive_s,
            timeout=config.timeout_s,
            tls_context=self._tls,
            will=aiomqtt.Will(topics.available, OFFLINE, QOS, retain=True),
        )
        async with client:
            await self._publish(client, topics.available, ONLINE, retain=True)
            for known in self._remembered.all():
                # The broker may have lost what it retained.
                await self._discover(client, known.event)
                now = state(known.event, over=known.over)
                await self._publish(client, topics.state(known.event), now, retain=True)
            log.info("broker_connected", sink=config.name)
            self._why = "the connection ended"
            backoff.reset()
            self._client = client
            self._connected.set()
            try:
                async for _ in client.messages:
                    pass
            except asyncio.CancelledError:
                with suppress(aiomqtt.MqttError, TimeoutError):
                    async with asyncio.timeout(GOODBYE_S):
                        await self._publish(client, topics.available, OFFLINE, retain=True)
                raise
            finally:
                self._connected.clear()
                self._client = None

    async def _discover(self, client: aiomqtt.Client, event: Event) -> None:
        """Tell Home Assistant about the event's watch and camera, if it is wanted."""
        if not self._config.discovery:
            return
        number = await self._numbers.has(event)
        for topic, found in discoveries(event, self._topics, number=number).items():
            await self._publish(client, topic, found, retain=True)

    async def _publish(
        self, client: aiomqtt.Client, topic: str, payload: Any, *, retain: bool
    ) -> None:
        if isinstance(payload, dict):
            payload = json.dumps(payload, ensure_ascii=False)
        await client.publish(topic, payload, QOS, retain)


def _context(config: MqttConfig) -> NamedContext:
    context = NamedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.name = config.host
    try:
        if config.ca_file is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(config.ca_file)
    except OSError as error:
        raise UnusableFile(f"{config.ca_file} cannot be used: {error.strerror}") from None
    return context
