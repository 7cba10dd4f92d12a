"""The cooldown of a watch over all its cameras, which workers share through Redis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import redis

from services.common import keys
from services.common.scripts import load_script


@dataclass(frozen=True, slots=True)
class Claim:
    """What a camera claims: to open an event of a watch at this capture time.

    `sent_ms`: capture time of the frame with which the camera's last event was opened, as it
    is written down. A claim of the camera's own at another time came to nothing: its owner
    ended between the claim and the event.
    """

    watch_id: str
    camera_id: str
    at_ms: int
    sent_ms: int | None = None


class Cooldowns(Protocol):
    """Says whether any camera of a watch may open an event."""

    def claim(self, claim: Claim, cooldown_ms: int) -> bool:
        """Whether an event may open. A yes counts as an event."""
        ...


class RedisCooldowns:
    """`Cooldowns` on Redis."""

    def __init__(self, client: redis.Redis) -> None:
        self._script = load_script(client, "claim_cooldown")

    def claim(self, claim: Claim, cooldown_ms: int) -> bool:
        """See `Cooldowns`. Raises `redis.RedisError`."""
        if not cooldown_ms:
            return True
        sent = "" if claim.sent_ms is None else claim.sent_ms
        args = [claim.at_ms, cooldown_ms, claim.camera_id, sent]
        return bool(self._script(keys=[keys.watch_sent(claim.watch_id)], args=args))
