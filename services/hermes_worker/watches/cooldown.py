"""The cooldown of a watch over all its cameras, which workers share through Redis."""

from __future__ import annotations

from importlib import resources
from typing import Any, Protocol

import redis

from services.common import keys


class Cooldowns(Protocol):
    """Says whether any camera of a watch may open an event."""

    def claim(self, watch_id: str, at_ms: int, cooldown_ms: int) -> bool:
        """Whether an event may open at this capture time. A yes counts as an event."""
        ...


class RedisCooldowns:
    """`Cooldowns` on Redis."""

    def __init__(self, client: redis.Redis) -> None:
        source = resources.files("services.common.lua").joinpath("claim_cooldown.lua").read_text()
        self._script: Any = client.register_script(source)

    def claim(self, watch_id: str, at_ms: int, cooldown_ms: int) -> bool:
        """See `Cooldowns`. Raises `redis.RedisError`."""
        if not cooldown_ms:
            return True
        return bool(self._script(keys=[keys.watch_sent(watch_id)], args=[at_ms, cooldown_ms]))
