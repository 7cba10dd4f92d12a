"""Whether Redis may evict keys: it must not, as leases, frames and the registry are keys."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import redis

from services.common import logs
from services.common.metrics import Metrics
from services.common.redis_cluster import ClusterClient

log = logs.get(__name__)

LOOK_EVERY_S = 30.0
WARN_EVERY_S = 600.0
REQUIRED_POLICY = "noeviction"


def evicting_policy(memory: Mapping[str, Any]) -> str | None:
    """The policy by which Redis would evict keys, or None. `memory`: its INFO of that section.

    Without `maxmemory` no policy applies. Managed services may forbid CONFIG;
    INFO says the same.
    """
    policy = memory.get("maxmemory_policy")
    if policy is None:
        raise ValueError("INFO memory names no maxmemory_policy")
    # An absent limit counts as set: a proxy may leave it out.
    limited = int(memory.get("maxmemory", 1)) > 0
    return str(policy) if limited and policy != REQUIRED_POLICY else None


class EvictionCheck:
    """Warns, at the start and for as long as it lasts, that Redis may evict keys."""

    def __init__(self, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._gauge = metrics.redis_evicts
        self._clock = clock
        self._looked_at = float("-inf")
        self._warned_at = float("-inf")
        self._before: str | None = None

    @property
    def due(self) -> bool:
        """Whether INFO should be read now."""
        return self._clock() - self._looked_at >= LOOK_EVERY_S

    def look(self, client: redis.Redis) -> None:
        """Read INFO. Raises `redis.RedisError` if Redis is out of reach."""
        try:
            if isinstance(client, ClusterClient):
                self.take_all(client.info_of_each("memory"))
            else:
                self.take(cast("Mapping[str, Any]", client.info("memory")))
        except redis.ResponseError as error:  # NoPermissionError is one
            self.unknown(str(error))

    def take(self, memory: Mapping[str, Any]) -> None:
        """Redis's INFO memory as it is now."""
        self.take_all([memory])

    def take_all(self, memories: Sequence[Mapping[str, Any]]) -> None:
        """The same of each node of a cluster: the first that may evict keys counts."""
        self._looked_at = self._clock()
        try:
            policies = [evicting_policy(memory) for memory in memories]
            policy = next((policy for policy in policies if policy is not None), None)
        except ValueError as error:
            self.unknown(str(error))
            return
        self._gauge.set(0 if policy is None else 1)
        if policy is not None:
            self._warn("redis_may_evict_keys", policy, policy=policy, required=REQUIRED_POLICY)
        elif self._before is not None:
            log.info("redis_evicts_no_keys")
            self._before = None

    def unknown(self, why: str) -> None:
        """INFO cannot be read."""
        self._looked_at = self._clock()
        self._warn("redis_eviction_unknown", "unknown", error=why, required=REQUIRED_POLICY)

    def _warn(self, event: str, state: str, **fields: str) -> None:
        now = self._clock()
        if state != self._before or now - self._warned_at >= WARN_EVERY_S:
            log.warning(event, **fields)
            self._before, self._warned_at = state, now
