"""`hermes mcp` as an agent starts it."""

from __future__ import annotations

import os
import sys

import pytest
from mcp import Client, StdioServerParameters

from tests.integration.web.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_agent_starts_it_with_a_token(world: World) -> None:
    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "services.cli.main", "mcp", "-g", f"127.0.0.1:{world.gateway.port}"],
        env={**os.environ, "HERMES_TOKEN": world.tokens["guest"]},
    )
    async with Client(command) as client:
        result = await client.call_tool("list_cameras", {})
    assert result.structured_content is not None
    assert [camera["id"] for camera in result.structured_content["cameras"]] == ["lobby"]
