"""Webhooks: each message is a signed POST of a CloudEvent."""

from __future__ import annotations

import json
import time

from services.common.files import UnusableFile
from services.notifier.cloud_event import cloud_event
from services.notifier.egress import Egress, tls_context
from services.notifier.http_post import Poster, Target
from services.notifier.message import Message
from services.notifier.signature import signed_headers
from services.notifier.sink import Failed
from services.notifier.sink_config import WebhookConfig

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"


class Webhook:
    """A receiver of webhooks."""

    def __init__(self, config: WebhookConfig, egress: Egress | None = None) -> None:
        """Raises `UnusableFile`."""
        self.at_once = config.at_once
        self._config = config
        self._target = Target.parse(config.url)
        self._poster = Poster(
            egress or Egress(allow_private=config.allow_private),
            tls_context(config.ca_file) if self._target.tls else None,
            config.timeout_s,
        )

    def wants(self, message: Message) -> bool:
        """Everything."""
        return True

    async def run(self) -> None:
        """There is nothing to do beside deliveries."""

    async def deliver(self, message: Message) -> None:
        """Send it once. Raises `Failed` and `Refused`."""
        config = self._config
        most = config.most_picture_bytes if config.pictures else 0
        body = json.dumps(cloud_event(message, config.source, most), ensure_ascii=False).encode()
        try:
            # Read each time, so that a new secret counts without a restart.
            headers = config.authorization()
            headers |= signed_headers(config.secrets(), message.id, int(time.time()), body)
        except UnusableFile as error:
            raise Failed(str(error)) from None
        headers["Content-Type"] = CONTENT_TYPE
        (await self._poster.post(self._target, body, headers)).check()
