"""Waiting for what another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable

import redis


def eventually(what: Callable[[], object], within_s: float = 20.0, name: str = "") -> float:
    """The seconds it took to hold. A Redis that is away says nothing.

    Raises AssertionError after `within_s`.
    """
    began = time.monotonic()
    while True:
        try:
            if what():
                return time.monotonic() - began
        except redis.RedisError:
            pass
        assert time.monotonic() - began < within_s, f"not within {within_s} s: {name or what}"
        time.sleep(0.05)
