"""Which cameras a caller means, and which of them it may see."""

from __future__ import annotations

import pytest

from hermes.errors import InvalidInput, NothingSelected
from hermes.v1.camera_pb2 import Camera
from hermes.v1.query_pb2 import CameraSelector
from services.query_gateway.access.current import CurrentCall, Rights, serving
from services.query_gateway.access.scopes import Caller, Scope
from services.query_gateway.asked_cameras import AskedCameras


class Catalogue:
    async def registered(self) -> list[Camera]:
        return [
            Camera(id="dock-1", labels={"site": "dock"}, display_name="Dock, gate 3"),
            Camera(id="dock-2", labels={"site": "dock", "floor": "2"}),
            Camera(id="lobby", labels={"site": "front"}),
        ]


def asked(most: int = 256, *, authenticated: bool = False) -> AskedCameras:
    return AskedCameras(Catalogue(), Rights(authenticated=authenticated), most)


async def test_ids_are_taken_in_their_order_each_once_and_not_looked_up() -> None:
    meant = CameraSelector(camera_ids=["lobby", "nowhere", "dock-1", "lobby"])
    assert await asked().find(meant) == ["lobby", "nowhere", "dock-1"]


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ("site=dock", ["dock-1", "dock-2"]),
        ("site=dock,floor!=2", ["dock-1"]),
        ("!nothing", ["dock-1", "dock-2", "lobby"]),
    ],
)
async def test_labels_select(labels: str, found: list[str]) -> None:
    assert await asked().find(CameraSelector(labels=labels)) == found


@pytest.mark.parametrize(
    ("meant", "field"),
    [
        (CameraSelector(), "question.cameras"),
        (CameraSelector(camera_ids=["a"], labels="site=dock"), "question.cameras"),
        (CameraSelector(camera_ids=["no such id!"]), "question.cameras.camera_ids"),
        (CameraSelector(camera_ids=["a", "b", "c"]), "question.cameras.camera_ids"),
        (CameraSelector(labels="!nothing"), "question.cameras.labels"),
        (CameraSelector(labels="site=="), None),
        (CameraSelector(labels="site=(a"), "question.cameras.labels"),
    ],
    ids=["none", "both", "bad-id", "too-many-ids", "too-many-selected", "empty-value", "bad"],
)
async def test_what_cannot_be_meant_is_refused_by_field(
    meant: CameraSelector, field: str | None
) -> None:
    if field is None:
        with pytest.raises(NothingSelected):
            await asked(2).find(meant)
        return
    with pytest.raises(InvalidInput) as caught:
        await asked(2).find(meant)
    assert caught.value.field == field
    assert len(str(caught.value)) < 200


async def test_a_selector_selects_only_what_the_caller_may_see() -> None:
    scopes = tuple(map(Scope.parse, ("read:dock-1", "ask:dock-2", "read:lobby")))
    call = CurrentCall(Caller("token:x", scopes))
    with serving(call):
        cameras = asked(authenticated=True)
        assert await cameras.find(CameraSelector(labels="site=dock")) == ["dock-1"]
        assert (call.cameras, call.denied) == (("dock-1",), ("dock-1",))
        with pytest.raises(NothingSelected) as caught:
            await cameras.find(CameraSelector(labels="floor=2"))
    assert "dock-2" not in str(caught.value)


async def test_ids_are_noted_with_those_that_are_denied() -> None:
    call = CurrentCall(Caller("token:x", (Scope.parse("ask:lobby"),)))
    with serving(call):
        found = await asked(authenticated=True).find(CameraSelector(camera_ids=["vault", "lobby"]))
    assert found == ["vault", "lobby"]
    assert (call.cameras, call.denied) == (("vault", "lobby"), ("vault",))


async def test_a_call_that_no_guard_has_seen_may_do_nothing() -> None:
    with pytest.raises(RuntimeError):
        await asked(authenticated=True).find(CameraSelector(labels="site=dock"))


async def test_display_names() -> None:
    assert await asked().names() == {"dock-1": "Dock, gate 3"}
