"""A real gateway in the test's own loop, and cameras for it to find in Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import redis

from hermes.v1.camera_pb2 import Camera
from services.common import keys
from services.common.leases import Lease, Leases
from services.query_gateway.gateway import Gateway
from services.query_gateway.settings import GatewaySettings


def settings(redis_url: str, **changes: Any) -> GatewaySettings:
    return GatewaySettings(
        **{
            "redis_url": redis_url,
            "listen": "127.0.0.1:0",
            "metrics_host": "127.0.0.1",
            "drain_grace_s": 0.2,
            "hand_over_wait_s": 0.0,
            **changes,
        }
    )


@asynccontextmanager
async def running_gateway(redis_url: str, **changes: Any) -> AsyncIterator[Gateway]:
    gateway = Gateway(settings(redis_url, **changes))
    await gateway.start()
    await gateway.ready.wait()
    try:
        yield gateway
    finally:
        await gateway.stop()


def register(client: redis.Redis, camera_id: str, url: str = "rtsp://camera/live") -> None:
    client.hset(keys.CAMERAS, camera_id, Camera(id=camera_id, url=url).SerializeToString())


def own(
    client: redis.Redis,
    camera_id: str,
    address: str,
    *,
    instance: str = "worker-1",
    state: str = "serving",
    ttl_s: float = 60.0,
) -> Lease:
    """Give the camera's lease to a worker, through the very scripts that workers use.

    One that holds it already is taken to have been seen not to renew it.
    """
    leases = Leases(client, "worker", instance, address)
    before = leases.owners([camera_id])[camera_id]
    lease = leases.acquire(camera_id, ttl_s, unattended=before)
    assert lease is not None
    leases.renew([lease], {camera_id: state}, ttl_s)
    return lease
