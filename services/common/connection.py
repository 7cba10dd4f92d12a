"""Connections to Redis, with time-outs that fit what they are used for."""

from __future__ import annotations

import redis
import redis.asyncio
import redis.asyncio.retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

CONNECT_TIMEOUT_S = 2.0
CALL_TIMEOUT_S = 3.0


def connect(url: str, *, block_s: float = 0.0) -> redis.Redis:
    """A blocking client. `block_s`: the longest BLOCK that it will be asked for.

    One retry: callers loop anyway, and all writes that must not be doubled
    carry explicit ids or epochs.
    """
    return redis.Redis.from_url(
        url,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_timeout=CALL_TIMEOUT_S + block_s,
        socket_keepalive=True,
        health_check_interval=0,
        retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), retries=1),
    )


def connect_async(url: str) -> redis.asyncio.Redis:
    """A client for an event loop."""
    return redis.asyncio.Redis.from_url(
        url,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_timeout=CALL_TIMEOUT_S,
        socket_keepalive=True,
        health_check_interval=0,
        retry=redis.asyncio.retry.Retry(
            ExponentialWithJitterBackoff(base=0.05, cap=0.5), retries=1
        ),
    )
