from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import redis

from services.common import connection


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    """A client, made as in services, of an empty Redis."""
    client = connection.connect(redis_url)
    client.flushdb()
    yield client
    client.close()


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Callable[[], float]:
    return Clock()
