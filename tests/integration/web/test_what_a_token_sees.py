"""A token that may see two cameras sees two: in every list, event, picture, tool and error."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from mcp import Client
from structlog.testing import capture_logs

from hermes.v1.memory_pb2 import FramePicture
from services.common.event_log import RedisEventLog
from tests.integration.web.conftest import World, agent
from tests.support.event_messages import opened
from tests.support.fake_worker import HELLO
from tests.support.gateway import own, register

pytestmark = pytest.mark.asyncio(loop_scope="module")

API = "/api/v1"
SEEN = ["dock", "lobby"]
HIDDEN = ["attic", "vault"]
TRIGGER = {"condition": {"kind": "above", "value": 0.8}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def four(world: World) -> World:
    """Two cameras more, and for each of the four a watch and an event."""
    for camera_id in HIDDEN:
        register(world.redis, camera_id)
        own(world.redis, camera_id, world.worker.address, ttl_s=600)
    world.worker.scripts = [HELLO]
    picture = FramePicture(jpeg=b"\xff\xd8 five", bytes=7)
    picture.captured.FromMilliseconds(5_000)
    world.worker.frames = [picture]
    async with httpx2.AsyncClient(base_url=world.url, headers=world.bearer()) as root:
        for camera_id in (*SEEN, *HIDDEN):
            watch = {"id": f"w-{camera_id}", "text": "?", "camera_ids": [camera_id]}
            created = await root.post(f"{API}/watches", json={**watch, "trigger": TRIGGER})
            assert created.status_code == 201, created.text
            event = opened(f"e-{camera_id}", camera_id, f"w-{camera_id}")
            RedisEventLog(world.redis).append(event)
    return world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(four: World) -> AsyncIterator[httpx2.AsyncClient]:
    headers = four.bearer("pair")
    async with httpx2.AsyncClient(base_url=four.url, headers=headers, timeout=60) as client:
        yield client


def hidden_in(text: str) -> list[str]:
    return [camera_id for camera_id in HIDDEN if camera_id in text]


async def test_lists_over_rest(http: httpx2.AsyncClient) -> None:
    cameras = await http.get(f"{API}/cameras")
    assert [one["id"] for one in cameras.json()["cameras"]] == SEEN
    watches = await http.get(f"{API}/watches")
    assert sorted(one["id"] for one in watches.json()["watches"]) == ["w-dock", "w-lobby"]
    events = await http.get(f"{API}/events")
    assert sorted(one["id"] for one in events.json()["events"]) == ["e-dock", "e-lobby"]
    for found in (cameras, watches, events):
        assert hidden_in(found.text) == []


async def test_events_as_they_come(http: httpx2.AsyncClient, four: World) -> None:
    headers = {"Accept": "text/event-stream", "Last-Event-ID": "0"}
    heard: list[str] = []
    async with asyncio.timeout(60), http.stream("GET", f"{API}/events", headers=headers) as stream:
        lines = stream.aiter_lines()
        while len(heard) < 2:
            line = await anext(lines)
            assert hidden_in(line) == []
            if line.startswith("data: "):
                heard.append(json.loads(line.removeprefix("data: "))["camera_id"])
        # What is written after them is heard, and so was not held back behind hidden ones.
        for camera_id in (*HIDDEN, "lobby"):
            event = opened(f"later-{camera_id}", camera_id, f"w-{camera_id}")
            RedisEventLog(four.redis).append(event)
        while not (line := await anext(lines)).startswith("data: "):
            assert hidden_in(line) == []
        assert json.loads(line.removeprefix("data: "))["id"] == "later-lobby"
    assert sorted(heard) == SEEN


@pytest.mark.parametrize("camera_id", HIDDEN)
async def test_nothing_of_a_hidden_camera(http: httpx2.AsyncClient, camera_id: str) -> None:
    """What is refused says the name that the request had, and no more."""
    for method, path, body in (
        ("GET", f"/cameras/{camera_id}", None),
        ("GET", f"/cameras/{camera_id}/snapshot.jpg", None),
        ("GET", f"/cameras/{camera_id}/frames", None),
        ("GET", f"/cameras/{camera_id}/frames/6000.jpg", None),
        ("GET", f"/cameras/{camera_id}/memory", None),
        ("GET", f"/cameras/{camera_id}/memory.svg", None),
        ("GET", f"/events/e-{camera_id}", None),
        ("GET", f"/events/e-{camera_id}/evidence/0.jpg", None),
        ("POST", f"/events/e-{camera_id}/acknowledgement", {"note": "seen"}),
        ("GET", f"/watches/w-{camera_id}", None),
        ("DELETE", f"/watches/w-{camera_id}", None),
        ("POST", "/ask", {"question": "What?", "camera": camera_id}),
    ):
        response = await http.request(method, API + path, json=body)
        assert response.status_code in (403, 404), path
        assert set(hidden_in(response.text)) <= {camera_id}, path
        for secret in ("rtsp://", "Is anybody lying", "0.9"):
            assert secret not in response.text, path


async def test_a_question_to_all_reaches_two(http: httpx2.AsyncClient, four: World) -> None:
    four.worker.calls.clear()
    asked = {"question": "What?", "selector": "!site"}
    answered = await http.post(f"{API}/ask", json=asked)
    assert sorted(answered.json()["answers"]) == SEEN
    camera = {"type": "video_url", "video_url": {"url": "camera://?label=%21site"}}
    content = [{"type": "text", "text": "What?"}, camera]
    chat = {
        "model": "hermes",
        "messages": [{"role": "user", "content": content}],
        "hermes": {"merge": False},
    }
    listed = await http.post("/v1/chat/completions", json=chat)
    assert sorted(listed.json()["hermes"]["cameras"]) == SEEN
    for found in (answered, listed):
        assert hidden_in(found.text) == []
    asked_of = {call.request.question.camera_id for call in four.worker.calls}
    assert asked_of == set(SEEN)


async def test_tools_over_mcp(four: World) -> None:
    async with agent(four, "pair") as tools:
        await _check_tools(tools)


async def _check_tools(tools: Client) -> None:
    async def said(tool: str, **arguments: Any) -> str:
        result = await tools.call_tool(tool, arguments)
        return json.dumps([str(part) for part in result.content])

    for tool in ("list_cameras", "list_watches", "list_events"):
        text = await said(tool)
        assert "lobby" in text, tool
        assert hidden_in(text) == [], tool
    followed = await said("follow_events", position="0", seconds=5)
    assert "e-lobby" in followed
    assert hidden_in(followed) == []
    everyone = await said("ask_cameras", question="What?", selector="!site")
    assert "a red car" in everyone
    assert hidden_in(everyone) == []
    for tool, arguments in (
        ("ask_camera", {"camera": "vault", "question": "What?"}),
        ("get_snapshot", {"camera": "vault"}),
        ("get_frame", {"camera": "vault", "time": "1970-01-01T00:00:06Z"}),
        ("acknowledge_event", {"event": "e-vault"}),
        ("delete_watch", {"watch": "w-vault"}),
    ):
        text = await said(tool, **arguments)
        assert "PERMISSION_DENIED" in text or "NOT_FOUND" in text, text
        assert set(hidden_in(text)) <= {"vault"}, tool


async def test_the_audit_log_names_the_caller(http: httpx2.AsyncClient, four: World) -> None:
    with capture_logs() as lines:
        await http.get(f"{API}/cameras/vault")
        async with agent(four, "pair") as tools:
            await tools.call_tool("get_snapshot", {"camera": "lobby"})
        async with asyncio.timeout(60):
            while four.gateway.open_calls:
                await asyncio.sleep(0.01)
    audited = [
        (line["who"], line["camera"], line["code"]) for line in lines if line["event"] == "audit"
    ]
    assert ("token:pair", "vault", "PERMISSION_DENIED") in audited
    assert ("token:pair", "lobby", "OK") in audited
    assert not [who for who, _, _ in audited if who != "token:pair"]
    assert four.tokens["pair"] not in str(lines)
