"""A real HTTP door in the test's own loop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from services.web.door import Door
from services.web.settings import WebSettings


@asynccontextmanager
async def running_door(gateway_port: int, **changes: Any) -> AsyncIterator[Door]:
    settings = {
        "listen": "127.0.0.1:0",
        "gateway": f"127.0.0.1:{gateway_port}",
        "metrics_host": "127.0.0.1",
        "drain_grace_s": 0.5,
        **changes,
    }
    door = Door(WebSettings(**settings))
    await door.start()
    try:
        yield door
    finally:
        await door.stop()
