"""Asking through a gateway."""

from __future__ import annotations

import asyncio
import time

from hermes.client import AsyncHermesClient
from services.query_gateway.gateway import Gateway


async def ask(client: AsyncHermesClient, camera_id: str = "lobby", text: str = "what?") -> str:
    return (await client.ask(camera_id, text, timeout=10).result()).text


async def counted(gateway: Gateway, code: str) -> float:
    """Questions that ended with a code. They are counted right after the client heard of it."""
    deadline = time.monotonic() + 2
    while True:
        registry = gateway.metrics.registry
        value = registry.get_sample_value("hermes_queries_total", {"code": code})
        if value or time.monotonic() > deadline:
            return value or 0.0
        await asyncio.sleep(0.01)
