"""What the previous owner's memory of a camera had seen, from the camera's status."""

from __future__ import annotations

from dataclasses import dataclass

import redis

from services.common import camera_status, keys, logs

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class EarlierMemory:
    """Capture times (ms) of what it had seen: from `since_ms` to `end_ms`."""

    since_ms: int
    end_ms: int

    def lost_since(self, first_ms: int) -> int | None:
        """Since when frames are lost, for a memory whose first frame was captured at `first_ms`.

        None if this memory holds all that the earlier one had seen.
        """
        if self.since_ms >= first_ms:
            return None
        return self.end_ms if self.end_ms < first_ms else self.since_ms


def earlier_memory(client: redis.Redis, camera_id: str) -> EarlierMemory | None:
    """None if no memory of this camera is known, or its status cannot be read now."""
    try:
        fields = client.hgetall(keys.status(camera_id))
    except redis.RedisError as error:
        log.warning("earlier_memory_unknown", camera=camera_id, error=str(error))
        return None
    _, memory = camera_status.parse(fields)  # type: ignore[arg-type] # a sync client
    coverage = memory.coverage
    if not coverage.frames_seen or not coverage.HasField("span"):
        return None
    start = coverage.watching_since if coverage.HasField("watching_since") else coverage.span.start
    return EarlierMemory(start.ToMilliseconds(), coverage.span.end.ToMilliseconds())
