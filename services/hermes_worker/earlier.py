"""What the last owner of a camera had seen, from the camera's status."""

from __future__ import annotations

import redis

from services.common import camera_status, keys, logs
from services.hermes_worker.memories import EarlierMemory

log = logs.get(__name__)


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
