"""Waiting for what another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable

import redis

from tests.support.patience import Patience


def eventually(what: Callable[[], object], within_s: float = 20.0, name: str = "") -> float:
    """The seconds it took to hold. A Redis that is away says nothing.

    Raises AssertionError after `within_s`, or later where our processes wait for a CPU.
    """
    patience = Patience(within_s)
    while True:
        try:
            if what():
                return patience.elapsed
        except redis.RedisError:
            pass
        assert not patience.over, (
            f"not within {within_s} s, {patience.slowness:.1f} times as long: {name or what}"
        )
        time.sleep(0.05)
