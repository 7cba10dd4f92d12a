"""A real Redis that may evict keys: each kind of service reports it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import redis

from services.common import keys
from tests.integration.common.conftest import Clock
from tests.support.gateway import running_gateway
from tests.support.holder import Instance


@pytest.fixture
def evicting(client: redis.Redis) -> Iterator[redis.Redis]:
    client.config_set("maxmemory", 1 << 30)
    client.config_set("maxmemory-policy", "allkeys-lru")
    yield client
    client.config_set("maxmemory", 0)
    client.config_set("maxmemory-policy", "noeviction")


@pytest.mark.parametrize("role", ["worker", "decoder"])
def test_owners_report_it_while_it_lasts(
    evicting: redis.Redis, clock: Clock, role: keys.Role
) -> None:
    one = Instance(evicting, "one", clock=clock, role=role)
    sample = one.metrics.registry.get_sample_value
    one.ownership.tick()
    assert sample("hermes_redis_evicts") == 1
    evicting.config_set("maxmemory-policy", "noeviction")
    clock.now += 31
    one.ownership.tick()
    assert sample("hermes_redis_evicts") == 0


async def test_the_gateway_reports_it(evicting: redis.Redis, redis_url: str) -> None:
    async with running_gateway(redis_url) as gateway, asyncio.timeout(10):
        while gateway.metrics.registry.get_sample_value("hermes_redis_evicts") != 1:
            await asyncio.sleep(0.05)
