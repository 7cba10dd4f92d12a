"""The check whether Redis may evict keys, and how often it warns."""

from __future__ import annotations

from typing import Any

import pytest

from services.common import logs
from services.common.eviction import LOOK_EVERY_S, WARN_EVERY_S, EvictionCheck, evicting_policy
from services.common.metrics import Metrics
from tests.support.log_lines import logging_to


@pytest.mark.parametrize(
    ("memory", "policy"),
    [
        ({"maxmemory": 0, "maxmemory_policy": "allkeys-lru"}, None),
        ({"maxmemory": 1 << 30, "maxmemory_policy": "noeviction"}, None),
        ({"maxmemory": 1 << 30, "maxmemory_policy": "allkeys-lru"}, "allkeys-lru"),
        ({"maxmemory": 1 << 30, "maxmemory_policy": "volatile-ttl"}, "volatile-ttl"),
        ({"maxmemory_policy": "volatile-lru"}, "volatile-lru"),
    ],
)
def test_the_policy_counts_where_memory_is_limited(
    memory: dict[str, Any], policy: str | None
) -> None:
    assert evicting_policy(memory) == policy


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


EVICTS = {"maxmemory": 1, "maxmemory_policy": "allkeys-lru"}
KEEPS = {"maxmemory": 1, "maxmemory_policy": "noeviction"}


def test_it_warns_at_the_start_and_while_it_lasts(capsys: pytest.CaptureFixture[str]) -> None:
    clock, metrics = Clock(), Metrics()
    check = EvictionCheck(metrics, clock)
    with logging_to(capsys) as stderr:
        logs.configure("test", "info")
        for _ in range(int(2 * WARN_EVERY_S / LOOK_EVERY_S)):
            assert check.due
            check.take(EVICTS)
            assert not check.due
            clock.now += LOOK_EVERY_S
        assert stderr.getvalue().count("redis_may_evict_keys") == 2
        assert metrics.registry.get_sample_value("hermes_redis_evicts") == 1
        for _ in range(3):
            check.take(KEEPS)
        assert stderr.getvalue().count("redis_evicts_no_keys") == 1
        assert metrics.registry.get_sample_value("hermes_redis_evicts") == 0
        check.take(EVICTS)
        assert stderr.getvalue().count("redis_may_evict_keys") == 3


def test_an_unreadable_policy_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    check = EvictionCheck(Metrics(), Clock())
    with logging_to(capsys) as stderr:
        logs.configure("test", "info")
        check.take({"used_memory": 1})
        check.unknown("forbidden")
        assert stderr.getvalue().count("redis_eviction_unknown") == 1
