"""A worker whose Redis loses its data keeps its cameras and their snapshots."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import redis

from services.common import keys
from tests.support.workers import Feeder, checkpoint_id, complete, serving, until, working

FORGOTTEN = {
    "the registry": [keys.CAMERAS],
    "the registry and the incarnation": [keys.CAMERAS, keys.INCARNATION],
    "the workers": [keys.members("worker")],
    "the lease": [keys.lease("lobby", "worker")],
    "the checkpoint": [keys.checkpoint("lobby")],
    "the status": [keys.status("lobby")],
}


@pytest.mark.parametrize("what", [*FORGOTTEN, "one camera", "everything"])
async def test_snapshots_stay_and_memory_goes_on(
    redis_url: str, redis_client: redis.Redis, kept: Path, what: str
) -> None:
    async with working(redis_url, kept) as worker:
        last = Feeder(redis_client, "lobby").push(6)
        await until(lambda: checkpoint_id(redis_client) == last)
        await until(serving(redis_client))  # a memory may be stored before it has caught up
        registry = redis_client.hgetall(keys.CAMERAS)
        before, files = await complete(worker), set(kept.rglob("*.safetensors"))
        assert files
        if what == "everything":
            redis_client.flushdb()
        elif what == "one camera":
            redis_client.hdel(keys.CAMERAS, "lobby")
        else:
            redis_client.delete(*FORGOTTEN[what])
        await until(lambda: redis_client.hgetall(keys.CAMERAS) == registry)
        await until(serving(redis_client))
        await asyncio.sleep(2.0)
        after = await complete(worker)
        assert files <= set(kept.rglob("*.safetensors"))
        assert after.coverage.frames == before.coverage.frames
        assert not after.coverage.gaps
