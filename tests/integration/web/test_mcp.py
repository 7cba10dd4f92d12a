"""MCP over streamable HTTP, held against the package's own client."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from mcp import Client

from hermes.v1.memory_pb2 import FramePicture
from tests.integration.web.conftest import World, agent
from tests.support.fake_worker import HELLO

pytestmark = pytest.mark.asyncio(loop_scope="module")

DOOR = {"id": "door", "text": "Is it open?", "camera_ids": ["lobby"],
        "trigger": {"condition": {"kind": "above", "value": 0.8}}}  # fmt: skip


async def said(client: Client, tool: str, **arguments: Any) -> Any:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return result.structured_content


async def test_an_agent_asks_and_looks(world: World) -> None:
    world.worker.scripts = [HELLO]
    picture = FramePicture(jpeg=b"\xff\xd8 five", bytes=7)
    picture.captured.FromMilliseconds(5_000)
    world.worker.frames = [picture]
    async with agent(world) as client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        assert {"list_cameras", "ask_camera", "ask_cameras", "get_snapshot", "get_frame",
                "list_watches", "create_watch", "follow_events"} <= tools  # fmt: skip
        cameras = (await said(client, "list_cameras"))["cameras"]
        assert [camera["id"] for camera in cameras] == ["dock", "lobby"]
        answer = await said(client, "ask_camera", camera="lobby", question="What?")
        assert answer["answer"] == "a red car"
        many = await said(client, "ask_cameras", cameras=["lobby", "dock"], question="What?")
        assert many["answers"]["dock"]["answer"] == "a red car"
        for call in (
            client.call_tool("get_snapshot", {"camera": "lobby"}),
            client.call_tool("get_frame", {"camera": "lobby", "time": "1970-01-01T00:00:06Z"}),
        ):
            _, image = (await call).content
            assert base64.b64decode(image.data) == b"\xff\xd8 five"  # type: ignore[union-attr]
        (content,) = (await client.read_resource("hermes://cameras/lobby/snapshot.jpg")).contents
        assert base64.b64decode(content.blob) == b"\xff\xd8 five"  # type: ignore[union-attr]
        (state,) = (await client.read_resource("hermes://cameras/lobby")).contents
        assert json.loads(state.text)["id"] == "lobby"  # type: ignore[union-attr]


async def test_an_agent_watches(world: World) -> None:
    async with agent(world) as client:
        created = await said(client, "create_watch", watch=DOOR)
        assert created["watch"]["form"] == {"kind": "yes_no"}
        world.tell()
        followed = await said(client, "follow_events", position="0", seconds=10)
        assert followed["events"][0]["type"] == "opened"
        again = await said(client, "follow_events", position=followed["position"], seconds=0.1)
        assert again["events"] == []
        event_id = followed["events"][0]["id"]
        noted = await said(client, "acknowledge_event", event=event_id, note="seen")
        assert noted["event"]["acknowledgement"]["note"] == "seen"
        assert (await said(client, "list_events"))["events"][0]["id"] == event_id
        await said(client, "delete_watch", watch="door")
        assert (await said(client, "list_watches"))["watches"] == []


async def test_an_agent_does_what_its_token_allows(world: World) -> None:
    async with agent(world, "guest") as client:
        cameras = (await said(client, "list_cameras"))["cameras"]
        assert [camera["id"] for camera in cameras] == ["lobby"]
        for tool, arguments in (
            ("ask_camera", {"camera": "dock", "question": "What?"}),
            ("get_snapshot", {"camera": "dock"}),
            ("create_watch", {"watch": DOOR}),
        ):
            refused = await client.call_tool(tool, arguments)
            assert refused.is_error
            assert "PERMISSION_DENIED" in json.dumps([str(part) for part in refused.content])
