"""REST over a real gateway: resources, pictures, streams, and what the token allows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from hermes import errors
from hermes.v1.memory_pb2 import FramePicture
from tests.integration.web.conftest import World
from tests.support.fake_worker import HELLO, Fail, Judged, Say

pytestmark = pytest.mark.asyncio(loop_scope="module")

API = "/api/v1"
DOOR = {"id": "door", "text": "Is it open?", "camera_ids": ["lobby"],
        "trigger": {"condition": {"kind": "above", "value": 0.8}}}  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(world: World) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=world.url, headers=world.bearer(), timeout=60) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guest(world: World) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(
        base_url=world.url, headers=world.bearer("guest"), timeout=60
    ) as client:
        yield client


@pytest.fixture(autouse=True)
def hello(world: World) -> None:
    world.worker.by_camera.clear()
    world.worker.scripts = [HELLO]


def frame(ms: int, jpeg: bytes) -> FramePicture:
    picture = FramePicture(frame=ms // 1000, jpeg=jpeg, bytes=len(jpeg))
    picture.captured.FromMilliseconds(ms)
    return picture


async def test_cameras_come_change_and_go(http: httpx2.AsyncClient) -> None:
    new = {"id": "yard", "url": "rtsp://user:secret@yard/1", "labels": {"site": "yard"}}
    added = await http.post(f"{API}/cameras", json=new)
    assert added.status_code == 201
    assert "secret" not in added.text
    place = added.headers["location"]
    assert (await http.post(f"{API}/cameras", json=new)).json()["reason"] == "CAMERA_EXISTS"
    listed = await http.get(f"{API}/cameras", params={"selector": "site=yard"})
    assert [camera["id"] for camera in listed.json()["cameras"]] == ["yard"]
    changed = await http.patch(place, json={"put_labels": {"floor": "2"}, "display_name": "Yard"})
    assert changed.json()["labels"] == {"floor": "2", "site": "yard"}
    assert changed.json()["display_name"] == "Yard"
    assert (await http.delete(place)).status_code == 204
    gone = await http.get(place)
    assert gone.status_code == 404
    assert gone.headers["content-type"] == "application/problem+json"
    assert gone.json()["code"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "field"),
    [
        ("POST", "/cameras", {"id": "a", "url": "gopher://x"}, 400, "camera.url"),
        ("POST", "/cameras", {"id": "a"}, 400, "url"),
        ("POST", "/cameras", {"id": "a", "url": "rtsp://x", "wish": 1}, 400, "wish"),
        ("GET", "/cameras?selector=%3D%3D", None, 400, "selector"),
        ("GET", "/cameras/lobby/frames?from=noon", None, 400, "from"),
        ("POST", "/ask", {"question": "What?"}, 400, "camera"),
        ("POST", "/ask", {"question": "", "camera": "lobby"}, 400, "question.text"),
        ("POST", "/watches", {"id": "a", "text": "?", "hours": "noon"}, 400, "watch.hours"),
        ("GET", "/nowhere", None, 404, None),
    ],
)
async def test_problems_name_the_field(
    http: httpx2.AsyncClient, method: str, path: str, body: Any, status: int, field: str | None
) -> None:
    response = await http.request(method, API + path, json=body)
    assert (response.status_code, response.json().get("field")) == (status, field)


async def test_a_body_that_is_too_large(http: httpx2.AsyncClient) -> None:
    response = await http.post(f"{API}/ask", content=b" " * (1 << 20) + b"{}  ")
    assert response.status_code == 413
    assert response.json()["detail"] == "at most 1048576 bytes are read"


async def test_pictures_are_cached(world: World, http: httpx2.AsyncClient) -> None:
    world.worker.frames = [frame(5_000, b"\xff\xd8 five")]
    newest = await http.get(f"{API}/cameras/lobby/snapshot.jpg")
    assert (newest.status_code, newest.content) == (200, b"\xff\xd8 five")
    assert newest.headers["content-type"] == "image/jpeg"
    assert newest.headers["cache-control"] == "private, no-cache"
    known = {"If-None-Match": newest.headers["etag"]}
    assert (await http.get(f"{API}/cameras/lobby/snapshot.jpg", headers=known)).status_code == 304
    (one,) = (await http.get(f"{API}/cameras/lobby/frames")).json()["frames"]
    assert (one["captured"], one["number"]) == ("1970-01-01T00:00:05Z", 5)
    exact = await http.get(one["url"])
    assert exact.content == b"\xff\xd8 five"
    assert "immutable" in exact.headers["cache-control"]
    later = await http.get(f"{API}/cameras/lobby/frames/1970-01-01T00:00:06Z.jpg")
    assert later.content == exact.content
    assert "immutable" not in later.headers["cache-control"]
    world.worker.frames = []
    assert (await http.get(one["url"])).status_code == 404


async def test_a_memory_as_numbers_and_drawn(http: httpx2.AsyncClient) -> None:
    assert (await http.get(f"{API}/cameras/lobby/memory")).json()["frames_seen"] == 5
    drawn = await http.get(f"{API}/cameras/lobby/memory.svg")
    assert drawn.headers["content-type"] == "image/svg+xml"
    assert drawn.text.startswith("<svg")


async def test_a_question_and_its_timeout(world: World, http: httpx2.AsyncClient) -> None:
    asked = {"question": "What?", "camera": "lobby", "span": {"last": "10m"}}
    world.worker.calls.clear()
    refused = await http.post(f"{API}/ask", json=asked)  # the worker knows no spans
    assert refused.json()["reason"] == "UNSUPPORTED"
    assert world.worker.calls[0].request.question.span.last.seconds == 600
    del asked["span"]
    answer = await http.post(f"{API}/ask", json=asked, headers={"Hermes-Timeout": "7"})
    assert answer.json()["text"] == "a red car"
    # gRPC sends how much time is left, rounded up to hundredths of a second.
    assert 0 < (world.worker.calls[1].time_remaining_s or 0) <= 7.01
    wrong = await http.post(f"{API}/ask", json=asked, headers={"Hermes-Timeout": "soon"})
    assert (wrong.status_code, wrong.json()["field"]) == (400, "Hermes-Timeout")


async def test_a_question_to_several_cameras(world: World, http: httpx2.AsyncClient) -> None:
    world.worker.by_camera["dock"] = [Fail(errors.CameraNotReady("not yet", 3.0))]
    asked = {"question": "What?", "cameras": ["lobby", "dock"]}
    found = (await http.post(f"{API}/ask", json=asked)).json()
    assert found["answers"]["lobby"]["text"] == "a red car"
    assert found["errors"]["dock"]["code"] == "UNAVAILABLE"
    async with http.stream("POST", f"{API}/ask", json={**asked, "stream": True}) as stream:
        said = [(name, value) async for name, value in sse(stream)]
    assert [name for name, _ in said][-1] == "end"
    deltas = [v["text"] for name, v in said if name == "delta" and v["camera_id"] == "lobby"]
    assert "".join(deltas) == "a red car"
    assert [v["camera_id"] for name, v in said if name == "error"] == ["dock"]


async def sse(stream: Any) -> AsyncIterator[tuple[str, Any]]:
    name = ""
    async for line in stream.aiter_lines():
        kind, _, value = line.partition(": ")
        if kind == "event":
            name = value
        elif kind == "data":
            yield name, json.loads(value)


async def test_watches_come_change_and_go(world: World, http: httpx2.AsyncClient) -> None:
    world.worker.judges["lobby"] = Judged(0.9, holds=True)
    tried = await http.post(f"{API}/trials", json={"watch": DOOR})
    (trial,) = tried.json()["trials"]
    assert (trial["camera_id"], trial["evaluation"]["holds"]) == ("lobby", True)
    created = await http.post(f"{API}/watches", json=DOOR)
    assert created.status_code == 201, created.text
    assert created.json()["trigger"]["condition"]["value"] == 0.8
    place = created.headers["location"]
    changed = await http.patch(place, json={"paused": True})
    assert changed.json()["paused"] is True
    assert changed.json()["text"] == "Is it open?"
    assert [one["id"] for one in (await http.get(f"{API}/watches")).json()["watches"]] == ["door"]
    assert (await http.delete(place)).status_code == 204
    assert (await http.get(place)).status_code == 404


async def test_events_are_listed_followed_and_acknowledged(
    world: World, http: httpx2.AsyncClient
) -> None:
    opened = world.tell()
    (listed,) = (await http.get(f"{API}/events")).json()["events"]
    assert listed["id"] == opened.id
    follow = {"Accept": "text/event-stream", "Last-Event-ID": "0"}
    async with asyncio.timeout(60), http.stream("GET", f"{API}/events", headers=follow) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.aiter_lines()
        head = [await anext(lines) for _ in range(3)]
    position = head[0].removeprefix("id: ")
    assert head[1] == "event: opened"
    assert json.loads(head[2].removeprefix("data: "))["id"] == opened.id
    noted = await http.post(f"{API}/events/{opened.id}/acknowledgement", json={"note": "seen"})
    assert noted.json()["acknowledgement"]["by"] == "root"
    follow["Last-Event-ID"] = position
    async with asyncio.timeout(60), http.stream("GET", f"{API}/events", headers=follow) as stream:
        lines = stream.aiter_lines()
        assert [await anext(lines) for _ in range(2)][1] == "event: updated"
    assert (await http.get(f"{API}/events/nothing")).status_code == 404
    picture = await http.get(noted.json()["evidence"][0]["url"])
    assert picture.content == b"\xff\xd8 a picture"


async def test_a_token_sees_its_cameras_alone(world: World, guest: httpx2.AsyncClient) -> None:
    listed = (await guest.get(f"{API}/cameras")).json()["cameras"]
    assert [camera["id"] for camera in listed] == ["lobby"]
    for method, path, body in (
        ("GET", "/cameras/dock", None),
        ("GET", "/cameras/dock/snapshot.jpg", None),
        ("GET", "/cameras/dock/frames", None),
        ("GET", "/cameras/dock/memory", None),
        ("POST", "/ask", {"question": "What?", "camera": "dock"}),
        ("DELETE", "/cameras/lobby", None),
        ("POST", "/watches", DOOR),
    ):
        response = await guest.request(method, API + path, json=body)
        assert response.status_code == 403, path
    asked = {"question": "What?", "cameras": ["lobby", "dock"]}
    found = (await guest.post(f"{API}/ask", json=asked)).json()
    assert list(found["answers"]) == ["lobby"]
    assert found["errors"]["dock"]["code"] == "PERMISSION_DENIED"


async def test_without_a_token_there_is_nothing(world: World) -> None:
    async with httpx2.AsyncClient(base_url=world.url) as nobody:
        response = await nobody.get(f"{API}/cameras")
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert (await nobody.get("/openapi.json")).status_code == 200
        refused = await nobody.get("/health", headers={"Host": "rebound.test"})
        assert refused.status_code == 421


async def test_what_is_served_is_counted(world: World, http: httpx2.AsyncClient) -> None:
    await http.get(f"{API}/cameras/lobby")
    labels = {"route": "/api/v1/cameras/{camera_id}", "status": "200"}
    registry = world.door.metrics.registry
    assert registry.get_sample_value("hermes_http_requests_total", labels)


async def test_a_slow_reader_holds_up_nobody(world: World, http: httpx2.AsyncClient) -> None:
    """Its own answer waits, and others are given."""
    world.worker.by_camera["dock"] = [Say("x" * 60_000)] * 100
    slow = {"question": "What?", "camera": "dock", "stream": True}
    async with http.stream("POST", f"{API}/ask", json=slow) as stream:
        await anext(stream.aiter_bytes())
        for _ in range(3):
            asked = {"question": "What?", "camera": "lobby"}
            assert (await http.post(f"{API}/ask", json=asked)).json()["text"] == "a red car"
