"""Alertmanager: an open event is an alert, which is sent again while it is open."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from hermes.v1.event_pb2 import EVENT_TYPE_NOTE
from services.common import logs
from services.common.files import UnusableFile
from services.notifier.alerts import alert
from services.notifier.egress import Egress, tls_context
from services.notifier.http_post import Poster, Target
from services.notifier.message import Message
from services.notifier.remembered import Remembered
from services.notifier.sink import Failed, Refused
from services.notifier.sink_config import AlertmanagerConfig

log = logs.get(__name__)

PATH = "/api/v2/alerts"
MOST_ALERTS = 100
"""Of one request."""
LONGEST_MS = 7 * 86_400_000
"""An alert of an event that never closed is sent again for this long: its end may be lost."""


class Alertmanager:
    """An Alertmanager. One request at a time, so that what is sent again is never older than what
    was sent before it."""

    at_once = 1

    def __init__(
        self, config: AlertmanagerConfig, remembered: Remembered, egress: Egress | None = None
    ) -> None:
        """Raises `UnusableFile`."""
        self._config = config
        self._remembered = remembered
        self._target = Target.parse(config.url.rstrip("/") + PATH)
        self._poster = Poster(
            egress or Egress(allow_private=config.allow_private),
            tls_context(config.ca_file) if self._target.tls else None,
            config.timeout_s,
        )
        self._sending = asyncio.Lock()

    def wants(self, message: Message) -> bool:
        """What begins and ends. A note of a diary does neither."""
        return message.event.type != EVENT_TYPE_NOTE

    async def run(self) -> None:
        """Send open alerts again before Alertmanager takes them for resolved."""
        while True:
            await asyncio.sleep(self._config.resend_every_s)
            try:
                await self._send_again()
            except (Failed, Refused) as error:
                log.warning("alerts_not_sent_again", sink=self._config.name, why=str(error))

    async def deliver(self, message: Message) -> None:
        """Send it. Raises `Failed`, `Refused` and RedisError."""
        event, link = message.event, self._config.link
        async with self._sending:
            before = self._remembered.get(message.lane)
            since_ms = _now_ms()
            if before is not None and before.event.id == event.id:
                since_ms = before.since_ms
            ends_ms = None
            if message.over:
                least_ms = since_ms + round(self._config.least_s * 1000)
                ends_ms = max(event.closed.ToMilliseconds(), least_ms)
            now = alert(event, link, ends_ms)
            alerts = [now]
            if before is not None and not before.over:
                # With other labels it is another alert, and the one that is there would stay.
                earlier = alert(before.event, link, _now_ms())
                if earlier["labels"] != now["labels"]:
                    alerts.insert(0, earlier)
            await self._post(alerts)
            await self._remembered.put(event)

    async def _send_again(self) -> None:
        async with self._sending:
            oldest_ms = _now_ms() - LONGEST_MS
            known = [
                one for one in self._remembered.all() if not one.over and one.since_ms > oldest_ms
            ]
            for start in range(0, len(known), MOST_ALERTS):
                batch = known[start : start + MOST_ALERTS]
                await self._post([alert(one.event, self._config.link) for one in batch])

    async def _post(self, alerts: list[dict[str, Any]]) -> None:
        try:
            headers = self._config.authorization()
        except UnusableFile as error:
            raise Failed(str(error)) from None
        headers["Content-Type"] = "application/json"
        body = json.dumps(alerts).encode()
        (await self._poster.post(self._target, body, headers)).check()


def _now_ms() -> int:
    return round(time.time() * 1000)
